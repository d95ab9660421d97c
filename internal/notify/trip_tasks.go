package notify

import (
	"context"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/jobs"
)

// What happens to a trip is told to all whom it concerns by a batch.

// TripEvent is something that has happened to a trip, or to an order on it that concerns
// everyone in the car.
type TripEvent struct {
	Trip   uuid.UUID   `json:"trip_id"`
	Event  Event       `json:"event"`
	Orders []uuid.UUID `json:"order_ids"`           // whose riders it concerns
	Driver bool        `json:"to_driver,omitempty"` // whether it is news to the driver
	Number int         `json:"number,omitempty"`    // of what may happen several times: which time it was; of Matched, the ride's round
}

func (e TripEvent) tags() []string { return []string{"trip:" + e.Trip.String()} }

// about returns what the notice of an order's rider is about.
func (e TripEvent) about(order uuid.UUID) uuid.UUID {
	switch e.Event {
	case Late:
		return aboutTimes(order, e.Trip, e.Number)
	case Matched:
		return Ride{OrderID: order, Round: e.Number}.about()
	}
	return aboutRide(order, e.Trip)
}

// parts returns who of a ride is told of the event, and as what.
func (e TripEvent) parts() []part {
	if all, ok := concerned[e.Event]; ok {
		return all
	}
	return []part{{ToRider, e.Event}}
}

type reportArgs struct {
	TripEvent
	As Event `json:"as"` // what the driver is told of it
}

var tripKind = jobs.Kind[TripEvent]{
	Name: "notify:spread", Queue: "notify", Tries: 8,
	Backoff: jobs.Exponential(time.Second, time.Minute), Timeout: 10 * time.Second,
	DeleteWhenMissing: true,
	Tags:              TripEvent.tags,
}

var reportKind = jobs.Kind[reportArgs]{
	Name: "notify:report", Queue: "notify", Tries: 8,
	Backoff: jobs.Exponential(time.Second, time.Minute), Timeout: 10 * time.Second,
	DeleteWhenMissing: true,
	Tags:              func(a reportArgs) []string { return a.tags() },
}

var closeKind = jobs.Kind[TripEvent]{
	Name: "notify:close", Queue: "notify", Tries: 20,
	Backoff: jobs.Exponential(time.Second, 5*time.Minute), Timeout: 10 * time.Second,
	Tags: TripEvent.tags,
}

// Tell has all whom an event concerns told of it, if there is anyone: one rider by a job,
// several people, and all when the trip is called off, by the flow that Spread returns.
func (e TripEvent) Tell(tx *db.Tx, q Queue) error {
	switch {
	case len(e.Orders) == 0 && !e.Driver:
		return nil
	case e.single():
		return q.Dispatch(tx, e.Job())
	}
	b := e.Spread()
	_, err := q.Start(tx, b.Subject, b.Flow)
	return err
}

// single reports whether one rider is to be told, of something whose result nobody waits for.
func (e TripEvent) single() bool {
	return len(e.Orders) == 1 && !e.Driver && e.Event != Rematching && e.Event != Matched
}

// Job returns the job that tells those whom an event concerns.
func (e TripEvent) Job() jobs.Job { return tripKind.New(e) }

// Spread returns the flow that tells all whom an event concerns. Its first job writes the
// notices and adds an SMS for each person who is to get one to its batch. The driver hears
// when an SMS has reached nobody, and of a trip that was called off, when everyone knows;
// in the end whatever was not sent counts as cancelled.
func (e TripEvent) Spread() jobs.Beginning {
	batch := jobs.Batch(e.Job()).AllowFailures()
	if e.Event != Matched { // of which the driver gets an SMS too
		batch = batch.Catch(reportKind.New(reportArgs{e, Unreached}))
	}
	if e.Event == Rematching && len(e.Orders) > 0 {
		batch = batch.Then(reportKind.New(reportArgs{e, Reached}))
	}
	return jobs.Beginning{Subject: jobs.Subject{Kind: "notices", ID: NewsOf(e.Trip)}, Flow: jobs.Chain(batch.Finally(closeKind.New(e)))}
}

// NewsOf names the notices of a trip as the subject of flows: to cancel it keeps what is
// still to be told of the trip from being told.
func NewsOf(trip uuid.UUID) uuid.UUID { return uuid.NewSHA1(trip, []byte("notices")) }

func (s *Service) registerTrips(r *jobs.Registry) {
	jobs.Handle(r, tripKind, s.tellTrip)
	jobs.Handle(r, reportKind, s.report)
	jobs.Handle(r, closeKind, s.close)
	s.registerEarlier(r)
}

func (s *Service) tellTrip(ctx context.Context, a *jobs.Attempt, e TripEvent) error {
	rides, err := s.deps.Rides.Rides(ctx, e.Orders...)
	if err != nil {
		return err
	}
	var letters []letter
	for _, ride := range rides {
		if moot(e.Event, ride, e.Trip) != "" {
			continue
		}
		ride.TripID = e.Trip // where the order has lost it, too
		told, err := s.letters(ctx, ride, e.parts(), e.about(ride.OrderID))
		if err != nil {
			return err
		}
		letters = append(letters, told...)
	}
	if e.Driver {
		told, err := s.toDriver(ctx, e.Trip, TripCancelled, e.Trip)
		if err != nil {
			return err
		}
		letters = append(letters, told)
	}
	if a.Flow.Valid {
		return s.deliverInBatch(ctx, a, letters)
	}
	return s.deliver(ctx, a, letters)
}

// toDriver returns what the driver of a trip is told.
func (s *Service) toDriver(ctx context.Context, trip uuid.UUID, ev Event, about uuid.UUID) (letter, error) {
	d, err := s.deps.Rides.Departure(ctx, trip)
	return letter{user: d.DriverID, event: ev, to: ToDriver, about: about, trip: some(trip), facts: d.facts()}, err
}

// report tells the driver how others were told: once of each event, however many SMS fail.
func (s *Service) report(ctx context.Context, a *jobs.Attempt, args reportArgs) error {
	about := uuid.NewSHA1(args.Trip, []byte(string(args.Event)+" "+strconv.Itoa(args.Number)))
	told, err := s.toDriver(ctx, args.Trip, args.As, about)
	if err != nil {
		return err
	}
	told.trip = uuid.NullUUID{} // it is no news of the trip
	return s.deliver(ctx, a, []letter{told})
}

// close notes what was still to be sent when the batch was over: a cancel has kept it back.
func (s *Service) close(ctx context.Context, a *jobs.Attempt, e TripEvent) error {
	var about []uuid.UUID
	for _, order := range e.Orders {
		about = append(about, e.about(order))
	}
	events := []Event{e.Event}
	if e.Driver {
		about, events = append(about, e.Trip), append(events, TripCancelled)
	}
	return a.Done(ctx, func(tx *db.Tx) error {
		_, err := tx.Change("UPDATE notices SET sms = ?, settled_at = ? WHERE trip_id = ? AND about_id IN ? AND event IN ? AND sms = ?",
			Dropped, s.deps.Clock.Now(), e.Trip, about, events, Waiting)
		return err
	})
}
