package notify

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/jobs"
)

type sendArgs struct {
	Order uuid.UUID `json:"order_id"`
	Event Event     `json:"event"`
	To    Audience  `json:"to"`
}

type remindArgs struct {
	Order uuid.UUID `json:"order_id"`
}

type movedArgs struct {
	Order uuid.UUID `json:"order_id"`
	From  uuid.UUID `json:"from_trip_id"`
	Round int       `json:"round"` // of the ride on its new trip
}

type retimedArgs struct {
	Order   uuid.UUID `json:"order_id"`
	Version int       `json:"trip_version"` // with which its times changed
}

type statementArgs struct {
	Driver uuid.UUID `json:"driver_id"`
	Day    clock.Day `json:"day"`
}

type tripCancelledArgs struct {
	Trip uuid.UUID `json:"trip_id"`
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

var retimedKind = jobs.Kind[retimedArgs]{
	Name: "notify:retimed", Queue: "notify", Tries: 8,
	Backoff: jobs.Exponential(time.Second, time.Minute), Timeout: 10 * time.Second,
	DeleteWhenMissing: true,
	Tags:              func(a retimedArgs) []string { return []string{"order:" + a.Order.String()} },
}

var statementKind = jobs.Kind[statementArgs]{
	Name: "notify:statement", Queue: "notify", Tries: 8,
	Backoff: jobs.Exponential(time.Second, time.Minute), Timeout: 10 * time.Second,
	DeleteWhenMissing: true, // a day without a trip has no statement
	Tags:              func(a statementArgs) []string { return []string{"driver:" + a.Driver.String()} },
}

var tripCancelledKind = jobs.Kind[tripCancelledArgs]{
	Name: "notify:trip_cancelled", Queue: "notify", Tries: 8,
	Backoff: jobs.Exponential(time.Second, time.Minute), Timeout: 10 * time.Second,
	DeleteWhenMissing: true,
	Tags:              func(a tripCancelledArgs) []string { return []string{"trip:" + a.Trip.String()} },
}

// RemindBefore is how long before the pickup a rider is reminded.
const RemindBefore = 15 * time.Minute

// Rider returns the job that tells the order's rider of an event.
func Rider(order uuid.UUID, ev Event) jobs.Job { return sendKind.New(sendArgs{order, ev, ToRider}) }

// Driver returns the job that tells the driver of the order's trip of an event,
// and nobody when the order has no trip.
func Driver(order uuid.UUID, ev Event) jobs.Job { return sendKind.New(sendArgs{order, ev, ToDriver}) }

// Others returns the job that tells the riders of the same car's other orders of an event.
func Others(order uuid.UUID, ev Event) jobs.Job { return sendKind.New(sendArgs{order, ev, ToOthers}) }

// MovedFrom returns the job that tells rider, co-riders and both drivers that a
// confirmed order has left a trip for another one. round is how often its trip has
// changed: of each change, everyone is told once.
func MovedFrom(trip, order uuid.UUID, round int) jobs.Job {
	return movedKind.New(movedArgs{order, trip, round})
}

// Retimed returns the job that tells the order's rider of the times of pickup and
// arrival that hold now. version is the trip's with which they changed: of each such
// change the rider is told once.
func Retimed(order uuid.UUID, version int) jobs.Job {
	return retimedKind.New(retimedArgs{order, version})
}

// Remind returns the job that reminds the order's rider of the pickup, once, if
// the order still has its seat then. Whoever dispatches it says when.
func Remind(order uuid.UUID) jobs.Job { return remindKind.New(remindArgs{order}) }

// StatementReady returns the job that tells a driver what a day came to, and
// nothing when there is no statement of it.
func StatementReady(driver uuid.UUID, day clock.Day) jobs.Job {
	return statementKind.New(statementArgs{driver, day})
}

// CancelledTrip returns the job that tells a driver that somebody else has called
// off the trip.
func CancelledTrip(trip uuid.UUID) jobs.Job { return tripCancelledKind.New(tripCancelledArgs{trip}) }

// Register attaches the handlers of this package's jobs.
func (s *Service) Register(r *jobs.Registry) {
	jobs.Handle(r, sendKind, s.send)
	jobs.Handle(r, remindKind, s.remind)
	jobs.Handle(r, movedKind, s.tellMoved)
	jobs.Handle(r, retimedKind, s.tellRetimed)
	jobs.Handle(r, statementKind, s.tellStatement)
	jobs.Handle(r, tripCancelledKind, s.tellTripCancelled)
	s.registerReceipts(r)
	s.registerSMS(r)
	s.registerBroadcasts(r)
}

func (s *Service) send(ctx context.Context, a *jobs.Attempt, args sendArgs) error {
	ride, err := s.deps.Rides.Ride(ctx, args.Order)
	if err != nil {
		return err
	}
	if args.Event == Matched && ride.DriverID == uuid.Nil {
		return jobs.Skip("the order has lost its trip since")
	}
	if args.Event == Here && (!ride.Seated || ride.Aboard) {
		return jobs.Skip("nobody waits for the driver any more")
	}
	to, err := s.recipients(ctx, ride, args.To)
	if err != nil || len(to) == 0 {
		return err
	}
	return a.DoneTogether(ctx, func(tx *db.Tx) error { return s.tell(ctx, tx, ride, args.Event, args.To, to) })
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
	others, err := s.deps.Rides.Sharing(ctx, args.Order)
	if err != nil {
		return err
	}
	left := ride
	left.Round = args.Round
	return a.DoneTogether(ctx, func(tx *db.Tx) error {
		if err := s.tell(ctx, tx, left, Left, ToDriver, []uuid.UUID{old.DriverID}); err != nil {
			return err
		}
		if !ride.Seated || ride.Round != args.Round {
			return nil
		}
		for _, n := range []struct {
			ev Event
			as Audience
			to []uuid.UUID
		}{{Moved, ToRider, []uuid.UUID{ride.RiderID}}, {Matched, ToDriver, []uuid.UUID{ride.DriverID}}, {Joined, ToOthers, others}} {
			if err := s.tell(ctx, tx, ride, n.ev, n.as, n.to); err != nil {
				return err
			}
		}
		return nil
	})
}

// recipients returns whom an audience of the ride consists of.
func (s *Service) recipients(ctx context.Context, r Ride, to Audience) ([]uuid.UUID, error) {
	switch {
	case to == ToRider:
		return []uuid.UUID{r.RiderID}, nil
	case to == ToDriver && r.DriverID != uuid.Nil:
		return []uuid.UUID{r.DriverID}, nil
	case to == ToOthers && r.DriverID != uuid.Nil:
		return s.deps.Rides.Sharing(ctx, r.OrderID)
	}
	return nil, nil
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
	return a.DoneTogether(ctx, func(tx *db.Tx) error {
		return s.tell(ctx, tx, ride, Reminder, ToRider, []uuid.UUID{ride.RiderID})
	})
}

func (s *Service) tellRetimed(ctx context.Context, a *jobs.Attempt, args retimedArgs) error {
	ride, err := s.deps.Rides.Ride(ctx, args.Order)
	if err != nil {
		return err
	}
	if !ride.Seated {
		return jobs.Skip("the order has no seat")
	}
	about := uuid.NewSHA1(args.Order, []byte("retimed "+strconv.Itoa(args.Version)))
	return a.DoneTogether(ctx, func(tx *db.Tx) error {
		return s.tellAbout(ctx, tx, about, ride, Late, ToRider, []uuid.UUID{ride.RiderID})
	})
}

func (s *Service) tellStatement(ctx context.Context, a *jobs.Attempt, args statementArgs) error {
	rides, total, share, err := s.deps.Statements.Figures(ctx, args.Driver, args.Day)
	if err != nil {
		return err
	}
	n := s.newNotice(args.Driver, Statement, uuid.NewSHA1(args.Driver, []byte(args.Day)))
	n.Text = fmt.Sprintf("Your statement of %s is ready. Rides: %d. Fares: %s. Your share of what is settled: %s.", args.Day, rides, total, share)
	return s.leave(ctx, a, &n)
}

func (s *Service) tellTripCancelled(ctx context.Context, a *jobs.Attempt, args tripCancelledArgs) error {
	d, err := s.deps.Rides.Departure(ctx, args.Trip)
	if err != nil {
		return err
	}
	n := s.newNotice(d.DriverID, TripCancelled, args.Trip)
	n.Text = d.cancelled(s.deps.Zone)
	return a.DoneTogether(ctx, func(tx *db.Tx) error {
		fresh, err := s.put(ctx, tx, &n)
		if err != nil || !fresh {
			return err
		}
		// Who is about to set out may not look into the inbox.
		return s.deps.Jobs.Dispatch(tx, smsKind.New(smsArgs{n.ID, d.DriverID}))
	})
}

// tell writes a notice to everyone in to, and asks for the SMS that go with
// those that are new.
func (s *Service) tell(ctx context.Context, tx *db.Tx, ride Ride, ev Event, as Audience, to []uuid.UUID) error {
	return s.tellAbout(ctx, tx, ride.about(), ride, ev, as, to)
}

// tellAbout is tell for what may happen several times on one trip: about names which
// time it was.
func (s *Service) tellAbout(ctx context.Context, tx *db.Tx, about uuid.UUID, ride Ride, ev Event, as Audience, to []uuid.UUID) error {
	text := ride.words(ev, as, s.deps.Zone)
	var texts []jobs.Job
	for _, user := range to {
		n := s.newNotice(user, ev, about)
		n.OrderID, n.Text = uuid.NullUUID{UUID: ride.OrderID, Valid: true}, text
		fresh, err := s.put(ctx, tx, &n)
		if err != nil {
			return err
		}
		if fresh && texted(ev, as) {
			texts = append(texts, smsKind.New(smsArgs{n.ID, user}))
		}
	}
	return s.deps.Jobs.Dispatch(tx, texts...)
}

func (s *Service) newNotice(user uuid.UUID, ev Event, about uuid.UUID) Notice {
	return Notice{ID: uuid.Must(uuid.NewV7()), UserID: user, Event: ev, AboutID: about, CreatedAt: s.deps.Clock.Now()}
}

// leave ends a job with the notice that it was to write.
func (s *Service) leave(ctx context.Context, a *jobs.Attempt, n *Notice) error {
	return a.DoneTogether(ctx, func(tx *db.Tx) error {
		_, err := s.put(ctx, tx, n)
		return err
	})
}

// put writes a notice, has open pages look for it, and reports whether it is new.
func (s *Service) put(ctx context.Context, tx *db.Tx, n *Notice) (fresh bool, err error) {
	fresh, err = insert(tx, n)
	if fresh {
		topic := UserTopic(n.UserID)
		tx.After(func() { s.deps.Hub.Publish(ctx, topic) })
	}
	return fresh, err
}
