package trip

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/fault"
	"github.com/spotpool/spotpool/internal/geo"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/notify"
)

// ErrNotFound says that there is no such trip.
var ErrNotFound = fault.New(fault.NotFound, "trip_not_found", "there is no such trip")

// ErrStale says that the trip was changed or closed since it was read.
var ErrStale = fault.New(fault.Conflict, "trip_stale", "the trip has changed since it was read")

// The limits of what a driver may offer.
const (
	MaxSeats  = 8
	MaxDetour = 120 * time.Minute
	// UsualLead is how long riders have to join a trip whose driver does not say when it departs.
	UsualLead = 10 * time.Minute

	maxPast  = time.Minute // forgives a client's slow clock
	maxAhead = 7 * 24 * time.Hour
)

// DefaultDetour is the usual Config.DefaultDetour.
const DefaultDetour = 15 * time.Minute

// DefaultNoShowWait is the usual Config.NoShowWait.
const DefaultNoShowWait = 3 * time.Minute

// ErrNotCancellable says that somebody has got in, or was left behind, or the trip is over.
var ErrNotCancellable = fault.New(fault.Conflict, "trip_not_cancellable", "a trip can be called off until its first pickup")

// Queue takes the jobs and flows a trip asks for; jobs.Client is one.
type Queue interface {
	Dispatch(tx *db.Tx, jobs ...jobs.Job) error
	Start(tx *db.Tx, s jobs.Subject, f jobs.Flow) (uuid.UUID, error)
	Cancel(tx *db.Tx, subject uuid.UUID) (bool, error)
}

// Config is what an installation may set.
type Config struct {
	Travel        geo.Travel
	DefaultDetour time.Duration  // for offers that name none
	Zone          *time.Location // in which days begin and end; nil: UTC
	NoShowWait    time.Duration  // how long a driver waits for a rider who does not come

	// Roomier returns the job that offers a trip's free seats to those who wait. It
	// is dispatched when a trip is new or has more of them; nil: none is.
	Roomier func(trip uuid.UUID) jobs.Job

	// Completed returns the job that deals with a trip that is over. It is dispatched
	// in the transaction that completes the trip; nil: none is.
	Completed func(trip uuid.UUID) jobs.Job
}

// Service offers, changes and reads trips.
type Service struct {
	db    *db.DB
	queue Queue
	clock clock.Clock
	cfg   Config
}

// NewService returns a service over the database.
func NewService(d *db.DB, q Queue, c clock.Clock, cfg Config) *Service {
	if cfg.Zone == nil {
		cfg.Zone = time.UTC
	}
	return &Service{db: d, queue: q, clock: c, cfg: cfg}
}

// Offer is what a driver puts forward.
type Offer struct {
	DriverID  uuid.UUID
	Origin    Place
	Dest      *Place // nil: wherever the riders go, as a taxi does
	DepartAt  time.Time
	Seats     int
	MaxDetour *time.Duration // to a Dest; nil: the default
}

// detour returns how much longer than the direct way the trip may take.
func (o Offer) detour(usual time.Duration) time.Duration {
	switch {
	case o.MaxDetour != nil:
		return *o.MaxDetour
	case o.Dest == nil:
		return 0
	}
	return usual
}

// check returns the first fault in the offer.
func (o Offer) check(now time.Time, detour time.Duration) error {
	if err := o.Origin.Check("origin"); err != nil {
		return err
	}
	if o.Dest != nil {
		if err := o.Dest.Check("destination"); err != nil {
			return err
		}
	}
	switch {
	case o.Dest == nil && o.MaxDetour != nil:
		return fault.Fieldf("max_detour_minutes", "detour_to_nowhere", "without a destination there is no direct way to be longer than")
	case o.Dest != nil && o.Origin.Point == o.Dest.Point:
		return fault.Fieldf("destination", "origin_equals_destination", "origin and destination must differ")
	case !seatsFit(o.Seats):
		return errSeats()
	case o.DepartAt.Before(now.Add(-maxPast)):
		return fault.Fieldf("depart_at", "depart_at_in_the_past", "depart_at lies in the past")
	case o.DepartAt.After(now.Add(maxAhead)):
		return fault.Fieldf("depart_at", "depart_at_too_far", "depart_at must be within %d days", maxAhead/(24*time.Hour))
	case detour < 0 || detour > MaxDetour:
		return fault.Fieldf("max_detour_minutes", "detour_out_of_range",
			"max_detour_minutes must be from 0 to %d", MaxDetour/time.Minute)
	}
	return nil
}

func seatsFit(n int) bool { return n >= 1 && n <= MaxSeats }

func errSeats() error {
	return fault.Fieldf("seats", "seats_out_of_range", "seats must be from 1 to %d", MaxSeats)
}

// drivable returns a fault of Way's when no road leads along the trip.
func (o Offer) drivable(travel geo.Travel) (err error) {
	if o.Dest == nil {
		_, err = onTheRoads(travel, "origin", o.Origin)
	} else {
		_, err = Way(travel, o.Origin, *o.Dest)
	}
	return err
}

// Offer checks the offer, stores it as an open trip and has it depart in time.
// An offer that breaks a rule comes back as an Invalid fault with one of the codes
// seats_out_of_range, point_off_the_globe, name_too_long, origin_equals_destination,
// depart_at_in_the_past, depart_at_too_far, detour_out_of_range, detour_to_nowhere,
// and those of Way.
func (s *Service) Offer(tx *db.Tx, o Offer) (Trip, error) {
	now, detour := s.clock.Now(), o.detour(s.cfg.DefaultDetour)
	if err := o.check(now, detour); err != nil {
		return Trip{}, err
	}
	if err := o.drivable(s.cfg.Travel); err != nil {
		return Trip{}, err
	}
	t := Trip{
		ID: uuid.Must(uuid.NewV7()), DriverID: o.DriverID, Status: Open, Seats: o.Seats,
		Origin: o.Origin, Dest: o.Dest, DepartAt: o.DepartAt.UTC().Truncate(time.Microsecond),
		MaxDetour: detour.Truncate(time.Second), Plan: Plan{}, Version: 1, CreatedAt: now, ChangedAt: now,
	}.Reschedule(s.cfg.Travel)
	if err := insert(tx, t); err != nil {
		return Trip{}, err
	}
	if err := s.queue.Dispatch(tx, Depart(t.ID).In(t.DepartAt.Sub(now))); err != nil {
		return Trip{}, err
	}
	return t, s.offerSeats(tx, t)
}

// offerSeats has the trip's free seats offered to those who wait, while it takes orders.
func (s *Service) offerSeats(tx *db.Tx, t Trip) error {
	if s.cfg.Roomier == nil || !t.TakesOrders(s.clock.Now()) {
		return nil
	}
	return s.queue.Dispatch(tx, s.cfg.Roomier(t.ID))
}

// Get returns one trip, or ErrNotFound.
func (s *Service) Get(ctx context.Context, id uuid.UUID) (Trip, error) {
	return get(s.db.Read(ctx), id)
}

// List returns up to limit trips older than the one named after, newest first;
// uuid.Nil begins with the newest.
func (s *Service) List(ctx context.Context, after uuid.UUID, limit int) ([]Trip, error) {
	return page(s.db.Read(ctx), after, limit)
}

// OfDriver is List for the trips of one driver.
func (s *Service) OfDriver(ctx context.Context, driverID, after uuid.UUID, limit int) ([]Trip, error) {
	return page(s.db.Read(ctx).Where("driver_id = ?", driverID), after, limit)
}

// Assign gives an open trip the new plan of t, a plan that was made from the
// given version of the trip. It returns ErrStale when that is no longer the
// newest version or the trip is no longer open.
func (s *Service) Assign(tx *db.Tx, t Trip, version int) error {
	n, err := tx.Change(`UPDATE trips SET plan = ?, seats_left = ?, arrive_at = ?, version = version + 1, changed_at = ?
		WHERE id = ? AND version = ? AND status = ?`,
		t.Plan, t.SeatsLeft, t.ArriveAt, s.clock.Now(), t.ID, version, Open)
	if err != nil {
		return err
	}
	if n == 0 {
		return ErrStale
	}
	return nil
}

// RemoveOrder takes the order's stops out of the trip's plan, or once the trip has
// departed, drops them, and has a job work out the times of what is left. It reports
// whether that freed seats: not when the order has no stop ahead, or there is no such
// trip.
func (s *Service) RemoveOrder(tx *db.Tx, tripID, orderID uuid.UUID) (freed bool, err error) {
	t, err := get(tx.Clauses(db.ForUpdate), tripID)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if t.Status == Departed || t.Status == Completed {
		freed = t.Plan.drop(orderID)
	} else {
		stops := len(t.Plan)
		t.Plan = t.Plan.Without(orderID)
		freed = len(t.Plan) < stops
	}
	if !freed {
		return false, nil
	}
	n, err := tx.Change("UPDATE trips SET plan = ?, seats_left = ?, version = version + 1, changed_at = ? WHERE id = ? AND version = ?",
		t.Plan, t.Seats-t.Plan.MaxLoad(), s.clock.Now(), t.ID, t.Version)
	if err != nil || n == 0 || t.Status == Cancelled {
		return n == 1, err
	}
	return true, s.queue.Dispatch(tx, RefreshPlan(t.ID))
}

// Status returns where a trip stands as the transaction sees it; empty when there is none.
func (s *Service) Status(tx *db.Tx, id uuid.UUID) (status Status, err error) {
	err = tx.Raw("SELECT status FROM trips WHERE id = ?", id).Scan(&status).Error
	return status, err
}

// Cancel calls off a trip that has not picked up anybody, nor left anybody behind, in
// the caller's transaction. Its plan stays until its orders are taken off it, which is
// for the caller to have done. Its riders are told, and nothing else of it any more.
// driver is who asks, Nil for an operator; then the driver is told too. Someone else's
// trip is ErrNotFound. A trip that is cancelled already comes back as it is, one that
// cannot be any more as ErrNotCancellable.
func (s *Service) Cancel(tx *db.Tx, id, driver uuid.UUID) (Trip, error) {
	t, err := lockOf(tx, id, driver)
	switch {
	case err != nil || t.Status == Cancelled:
		return t, err
	case !t.Status.Can(Cancelled) || t.Plan.begun():
		return t, ErrNotCancellable
	}
	t.Status = Cancelled
	if t, err = s.save(tx, t); err != nil {
		return t, err
	}
	if _, err := s.queue.Cancel(tx, notify.NewsOf(id)); err != nil {
		return t, err
	}
	return t, notify.TripEvent{Trip: id, Event: notify.Rematching, Orders: t.Plan.Orders(), Driver: driver == uuid.Nil}.Tell(tx, s.queue)
}

// Plans returns the plans of the trips named, by trip; a trip that does not exist is not in the map.
func (s *Service) Plans(ctx context.Context, ids ...uuid.UUID) (map[uuid.UUID]Plan, error) {
	var rows []struct {
		ID   uuid.UUID
		Plan Plan
	}
	if err := s.db.Read(ctx).Raw("SELECT id, plan FROM trips WHERE id IN ?", ids).Scan(&rows).Error; err != nil {
		return nil, err
	}
	plans := make(map[uuid.UUID]Plan, len(rows))
	for _, r := range rows {
		plans[r.ID] = r.Plan
	}
	return plans, nil
}
