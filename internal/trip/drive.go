package trip

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/fault"
	"github.com/spotpool/spotpool/internal/geo"
	"github.com/spotpool/spotpool/internal/notify"
)

// How a trip is driven. driver is who asks, Nil for an operator; someone else's trip
// is ErrNotFound.

// The faults of trips that are driven, or about to be.
var (
	// ErrNotUnderWay says that the trip has not departed, or is over.
	ErrNotUnderWay = fault.New(fault.Conflict, "trip_not_under_way", "the trip has not departed, or is over")
	// ErrNotOpen says that the trip has departed or was called off.
	ErrNotOpen = fault.New(fault.Conflict, "trip_not_open", "the trip has departed or was called off")
	// ErrStopsLeft says that stops are to be made before the trip is over.
	ErrStopsLeft = fault.New(fault.Conflict, "stops_left", "there are stops left to be made")
	// ErrChanged says that the trip is not of the version that the change is meant for.
	ErrChanged = fault.New(fault.Stale, "trip_changed", "the trip has changed since; read it again")
	// ErrSeatsTaken says that more seats are taken than the trip is to have.
	ErrSeatsTaken = fault.New(fault.Conflict, "seats_taken", "more seats are taken already")
)

// SetSeats changes how many seats a trip has until it departs, never to fewer than are
// taken. More of them are offered to those who wait. version is the one that the driver
// has seen, 0 for whatever there is. It returns seats_out_of_range, ErrChanged,
// ErrNotOpen or ErrSeatsTaken.
func (s *Service) SetSeats(tx *db.Tx, id, driver uuid.UUID, version, seats int) (Trip, error) {
	t, err := lockOf(tx, id, driver)
	load := t.Plan.MaxLoad()
	switch {
	case err != nil:
		return t, err
	case version != 0 && version != t.Version:
		return t, ErrChanged
	case !seatsFit(seats):
		return t, errSeats()
	case !t.TakesOrders(s.clock.Now()):
		return t, ErrNotOpen
	case seats < load:
		return t, ErrSeatsTaken
	case seats == t.Seats:
		return t, nil
	}
	more := seats > t.Seats
	t.Seats, t.SeatsLeft = seats, seats-load
	if t, err = s.save(tx, t); err != nil || !more {
		return t, err
	}
	return t, s.offerSeats(tx, t)
}

// SetOut has a trip depart now, at its time or before; then the time of its departure
// is now. One that has departed comes back as it is, one that was called off as ErrNotOpen.
func (s *Service) SetOut(tx *db.Tx, id, driver uuid.UUID) (Trip, error) {
	t, err := lockOf(tx, id, driver)
	switch {
	case err != nil || t.Status == Departed || t.Status == Completed:
		return t, err
	case !t.Status.Can(Departed):
		return t, ErrNotOpen
	}
	now := s.clock.Now()
	t.Status = Departed
	if t.DepartAt.After(now) {
		t.DepartAt = now
	}
	if t, err = s.goOn(tx, t, t.from(s.cfg.Travel, t.Origin.Point, now)); err != nil {
		return t, err
	}
	return t, notify.TripEvent{Trip: id, Event: notify.Departed, Orders: t.Plan.Pending()}.Tell(tx, s.queue)
}

// Act records what a driver did at the n-th stop of a plan, counted from one. The last
// drop-off completes the trip. again says that it was recorded before, and nothing has
// changed. It returns ErrNoStop, ErrNotUnderWay, ErrStopKind, ErrStopOver,
// ErrStopNotNext or ErrNoShowTooEarly for what cannot have been done.
func (s *Service) Act(tx *db.Tx, id, driver uuid.UUID, n int, a Act) (t Trip, again bool, err error) {
	t, err = lockOf(tx, id, driver)
	switch {
	case err != nil:
		return t, false, err
	case n < 1 || n > len(t.Plan):
		return t, false, ErrNoStop
	case t.Plan[n-1].has(a):
		return t, true, nil
	case t.Status != Departed:
		return t, false, ErrNotUnderWay
	}
	was, now := t, s.clock.Now()
	t.Plan = slices.Clone(t.Plan)
	if err := t.Plan.do(n, a, now, s.cfg.NoShowWait); err != nil {
		return was, false, err
	}
	t = t.from(s.cfg.Travel, t.Plan[n-1].Place.Point, now)
	if a == DropOff && !t.Plan.left() {
		t.Status, t.ArriveAt = Completed, now
	}
	t, err = s.goOn(tx, was, t)
	return t, false, err
}

// Complete ends a trip that has no stop left to make. One that is completed comes back
// as it is; it returns ErrNotUnderWay or ErrStopsLeft for others.
func (s *Service) Complete(tx *db.Tx, id, driver uuid.UUID) (Trip, error) {
	t, err := lockOf(tx, id, driver)
	switch {
	case err != nil || t.Status == Completed:
		return t, err
	case t.Status != Departed:
		return t, ErrNotUnderWay
	case t.Plan.left():
		return t, ErrStopsLeft
	}
	was := t
	t.Status, t.ArriveAt = Completed, s.clock.Now()
	return s.goOn(tx, was, t)
}

// NoShowWait returns how long a driver waits for a rider who does not come.
func (s *Service) NoShowWait() time.Duration { return s.cfg.NoShowWait }

// drift is how far expected times must have moved for a position to be worth a write.
const drift = time.Minute

// Seen works out the times of the stops ahead from where the vehicle of a trip is now,
// and stores them where they have moved by more than a minute. It returns the trip, or
// ErrNotUnderWay.
func (s *Service) Seen(ctx context.Context, id, driver uuid.UUID, where geo.Point) (Trip, error) {
	t, err := s.Get(ctx, id)
	if err == nil {
		err = t.drivenBy(driver)
	}
	if err != nil {
		return t, err
	}
	if t.Status != Departed {
		return t, ErrNotUnderWay
	}
	now := s.clock.Now()
	next := t.from(s.cfg.Travel, where, now)
	moved := func(a, b Stop) bool { return a.At.Sub(b.At).Abs() <= drift }
	if slices.EqualFunc(t.Plan, next.Plan, moved) && next.ArriveAt.Sub(t.ArriveAt).Abs() <= drift && next.Plan.nearby(now) == nil {
		return t, nil
	}
	err = s.db.Tx(ctx, func(tx *db.Tx) (err error) {
		if t, err = lockOf(tx, id, driver); err != nil || t.Status != Departed {
			return err
		}
		t, err = s.goOn(tx, t, t.from(s.cfg.Travel, where, s.clock.Now()))
		return err
	})
	return t, err
}

// goOn stores what has become of a trip under way. Riders whose times have moved are
// told, and who is fetched next when the vehicle is near; once the trip is completed,
// those it has driven, and what follows is asked for.
func (s *Service) goOn(tx *db.Tx, was, t Trip) (Trip, error) {
	late := t.Plan.news(was.Plan)
	var near []uuid.UUID
	if stop := t.Plan.nearby(s.clock.Now()); stop != nil {
		stop.Near, near = true, []uuid.UUID{stop.OrderID}
		late = slices.DeleteFunc(late, func(id uuid.UUID) bool { return id == stop.OrderID }) // it says when, too
	}
	t, err := s.save(tx, t)
	if err != nil {
		return t, err
	}
	news := []notify.TripEvent{{Trip: t.ID, Event: notify.Late, Orders: late, Number: t.Version}, {Trip: t.ID, Event: notify.Near, Orders: near}}
	if t.Status == Completed {
		news = append(news, notify.TripEvent{Trip: t.ID, Event: notify.Completed, Orders: t.Plan.Orders()})
	}
	for _, e := range news {
		if err := e.Tell(tx, s.queue); err != nil {
			return t, err
		}
	}
	if t.Status == Completed && s.cfg.Completed != nil {
		err = s.queue.Dispatch(tx, s.cfg.Completed(t.ID))
	}
	return t, err
}

// save stores what drivers change of a trip that the transaction has locked.
func (s *Service) save(tx *db.Tx, t Trip) (Trip, error) {
	now := s.clock.Now()
	n, err := tx.Change(`UPDATE trips SET status = ?, seats = ?, seats_left = ?, depart_at = ?, arrive_at = ?, plan = ?, abandoned = ?,
		version = version + 1, changed_at = ? WHERE id = ? AND version = ?`,
		t.Status, t.Seats, t.SeatsLeft, t.DepartAt, t.ArriveAt, t.Plan, t.Abandoned, now, t.ID, t.Version)
	if err == nil && n == 0 {
		err = ErrStale
	}
	t.Version, t.ChangedAt = t.Version+1, now
	return t, err
}

// lockOf reads and locks a trip of the driver's.
func lockOf(tx *db.Tx, id, driver uuid.UUID) (Trip, error) {
	t, err := get(tx.Clauses(db.ForUpdate), id)
	if err == nil {
		err = t.drivenBy(driver)
	}
	return t, err
}

// drivenBy returns ErrNotFound when somebody else drives the trip.
func (t Trip) drivenBy(driver uuid.UUID) error {
	if driver != uuid.Nil && t.DriverID != driver {
		return ErrNotFound
	}
	return nil
}

// lastSeen returns where and when the trip was last known to be, without its positions.
func (t Trip) lastSeen() (where geo.Point, at time.Time) {
	where, at = t.Origin.Point, t.DepartAt
	for _, s := range t.Plan {
		if !s.Reached.IsZero() {
			where, at = s.Place.Point, s.At
		}
	}
	return where, at
}
