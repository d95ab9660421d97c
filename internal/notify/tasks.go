package notify

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/jobs"
)

type sendArgs struct {
	Order uuid.UUID `json:"order_id"`
	Event Event     `json:"event"`
	To    Audience  `json:"to,omitempty"` // them alone; empty: all concerned
}

type remindArgs struct {
	Order uuid.UUID `json:"order_id"`
}

type movedArgs struct {
	Order uuid.UUID `json:"order_id"`
	From  uuid.UUID `json:"from_trip_id"`
	Round int       `json:"round"` // of the ride on its new trip
}

type statementArgs struct {
	Driver uuid.UUID `json:"driver_id"`
	Day    clock.Day `json:"day"`
}

// A notice about an order that was deleted meanwhile is not missed.
var sendKind = jobs.Kind[sendArgs]{
	Name: "notify:send", Queue: "notify", Tries: 8,
	Backoff: jobs.Exponential(time.Second, time.Minute), Timeout: 10 * time.Second,
	DeleteWhenMissing: true,
	Tags:              func(a sendArgs) []string { return []string{"order:" + a.Order.String()} },
}

// It waits for long: who it was meant for may be gone by then.
var remindKind = jobs.Kind[remindArgs]{
	Name: "notify:remind", Queue: "notify", Tries: 8,
	Backoff: jobs.Exponential(time.Second, 30*time.Second), Timeout: 10 * time.Second,
	DeleteWhenMissing: true,
	Tags:              func(a remindArgs) []string { return []string{"order:" + a.Order.String()} },
}

var movedKind = jobs.Kind[movedArgs]{
	Name: "notify:moved", Queue: "notify", Tries: 8,
	Backoff: jobs.Exponential(time.Second, time.Minute), Timeout: 10 * time.Second,
	DeleteWhenMissing: true,
	Tags: func(a movedArgs) []string {
		return []string{"order:" + a.Order.String(), "trip:" + a.From.String()}
	},
}

var statementKind = jobs.Kind[statementArgs]{
	Name: "notify:statement", Queue: "notify", Tries: 8,
	Backoff: jobs.Exponential(time.Second, time.Minute), Timeout: 10 * time.Second,
	DeleteWhenMissing: true, // a day without a trip has no statement
	Tags:              func(a statementArgs) []string { return []string{"driver:" + a.Driver.String()} },
}

// RemindBefore is how long before the pickup a rider is reminded.
const RemindBefore = 15 * time.Minute

// About returns the job that tells all whom an event of an order concerns: its rider,
// the driver of its trip, the riders of the same car's other orders.
func About(order uuid.UUID, ev Event) jobs.Job {
	return sendKind.New(sendArgs{Order: order, Event: ev})
}

// To returns the job that tells one audience alone of an event of an order.
func To(to Audience, order uuid.UUID, ev Event) jobs.Job {
	return sendKind.New(sendArgs{order, ev, to})
}

// MovedFrom returns the job that tells rider, co-riders and both drivers that a
// confirmed order has left a trip for another one. round is how often its trip has
// changed: of each change, everyone is told once.
func MovedFrom(trip, order uuid.UUID, round int) jobs.Job {
	return movedKind.New(movedArgs{order, trip, round})
}

// Remind returns the job that reminds the order's rider of the pickup, once, if
// the order still has its seat then. Whoever dispatches it says when.
func Remind(order uuid.UUID) jobs.Job { return remindKind.New(remindArgs{order}) }

// StatementReady returns the job that tells a driver what a day came to, and
// nothing when there is no statement of it.
func StatementReady(driver uuid.UUID, day clock.Day) jobs.Job {
	return statementKind.New(statementArgs{driver, day})
}

// Register attaches the handlers of this package's jobs.
func (s *Service) Register(r *jobs.Registry) {
	jobs.Handle(r, sendKind, s.send)
	jobs.Handle(r, remindKind, s.remind)
	jobs.Handle(r, movedKind, s.tellMoved)
	jobs.Handle(r, statementKind, s.tellStatement)
	s.registerTrips(r)
	s.registerReceipts(r)
	s.registerSMS(r)
	s.registerBroadcasts(r)
}

func (s *Service) send(ctx context.Context, a *jobs.Attempt, args sendArgs) error {
	ride, err := s.deps.Rides.Ride(ctx, args.Order)
	if err != nil {
		return err
	}
	if why := moot(args.Event, ride, uuid.Nil); why != "" {
		return jobs.Skip(why)
	}
	parts := concerned[args.Event]
	if args.To != "" {
		parts = []part{{args.To, args.Event}}
	}
	letters, err := s.letters(ctx, ride, parts, ride.about())
	if err != nil {
		return err
	}
	return s.deliver(ctx, a, letters)
}

// tellMoved tells the driver of the trip that was left, and the others unless the
// order has left the next trip too.
func (s *Service) tellMoved(ctx context.Context, a *jobs.Attempt, args movedArgs) error {
	ride, err := s.deps.Rides.Ride(ctx, args.Order)
	if err != nil {
		return err
	}
	old, err := s.deps.Rides.Departure(ctx, args.From)
	if err != nil {
		return err
	}
	left := ride
	left.Round, left.TripID, left.DriverID = args.Round, args.From, old.DriverID
	left.PickupAt = old.At // quiet hours must not last beyond it
	letters, err := s.letters(ctx, left, []part{{ToDriver, Left}}, left.about())
	if err != nil {
		return err
	}
	if ride.Seated && ride.Round == args.Round {
		moved, err := s.letters(ctx, ride, concerned[Moved], ride.about())
		if err != nil {
			return err
		}
		letters = append(letters, moved...)
	}
	return s.deliver(ctx, a, letters)
}

// remind puts itself off where the plan has moved the pickup since.
func (s *Service) remind(ctx context.Context, a *jobs.Attempt, args remindArgs) error {
	ride, err := s.deps.Rides.Ride(ctx, args.Order)
	if err != nil {
		return err
	}
	left := ride.PickupAt.Sub(s.deps.Clock.Now())
	switch {
	case !ride.Seated:
		return jobs.Skip("the order has no seat")
	case ride.Aboard:
		return jobs.Skip("the rider is in the car")
	case left <= 0:
		return jobs.Skip("the pickup is over")
	case left > RemindBefore:
		return jobs.Release(left-RemindBefore, "the pickup is later now")
	}
	letters, err := s.letters(ctx, ride, concerned[Reminder], ride.about())
	if err != nil {
		return err
	}
	return s.deliver(ctx, a, letters)
}

func (s *Service) tellStatement(ctx context.Context, a *jobs.Attempt, args statementArgs) error {
	rides, total, share, err := s.deps.Statements.Figures(ctx, args.Driver, args.Day)
	if err != nil {
		return err
	}
	return s.deliver(ctx, a, []letter{{
		user: args.Driver, event: Statement, to: ToDriver, about: uuid.NewSHA1(args.Driver, []byte(args.Day)),
		facts: facts{Day: args.Day, Rides: rides, Fares: total, Share: share},
	}})
}
