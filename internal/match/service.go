package match

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/fault"
	"github.com/spotpool/spotpool/internal/geo"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/trip"
)

const (
	searchEvery = 30 * time.Second      // an order that waits searches again at least so often
	raceRounds  = 8                     // lost races in a row before the job is put back
	racePause   = 50 * time.Millisecond // at most, before it goes on
	wakeSearch  = 500                   // waiting orders a trip is compared with
	wakeMost    = 32                    // orders woken for one trip; the others search by themselves
)

// Orders is what matching needs of orders.
type Orders interface {
	// Request returns what the order asks and whether it looks for a trip.
	Request(ctx context.Context, orderID uuid.UUID) (req Request, waiting bool, err error)
	// Matched moves the order from matching to matched.
	Matched(tx *db.Tx, orderID, tripID uuid.UUID, pickupAt, dropoffAt time.Time) error
	// Waiting returns up to limit orders that look for a trip and start in the
	// box, nearest deadline first.
	Waiting(ctx context.Context, near geo.Box, limit int) ([]Request, error)
	// Untold returns up to limit orders that are matched and not confirmed yet:
	// nobody has been told on which trip they ride.
	Untold(ctx context.Context, limit int) ([]uuid.UUID, error)
	// Moved puts an order on another trip. It returns a Conflict when the order is
	// not on the trip that it is moved from any more, or may not leave it.
	Moved(tx *db.Tx, m Move) error
}

// Move is an order on its way from one trip to another.
type Move struct {
	Order, From, To     uuid.UUID
	WasAt               time.Time // its pickup on the trip it leaves
	PickupAt, DropoffAt time.Time
	Told                bool // whether it may move although people have been told of its trip
}

// Trips is what matching needs of trips; trip.Service is one.
type Trips interface {
	Get(ctx context.Context, id uuid.UUID) (trip.Trip, error)
	Assign(tx *db.Tx, t trip.Trip, version int) error
}

// Queue makes orders that wait search again now, and takes jobs; jobs.Client is one.
type Queue interface {
	Wake(ctx context.Context, subjects ...uuid.UUID) (int, error)
	WakeIn(tx *db.Tx, subjects ...uuid.UUID) (int, error)
	Dispatch(tx *db.Tx, jobs ...jobs.Job) error
}

// Deps is what a Service works with. DB and Locks may be nil with the instant policy.
type Deps struct {
	DB     *db.DB
	Board  *Board
	Trips  Trips
	Orders Orders
	Queue  Queue
	Locks  *jobs.Locker
	Live   Live
	Clock  clock.Clock
	Log    *slog.Logger
}

// Service puts orders on trips.
type Service struct {
	db     *db.DB
	board  *Board
	trips  Trips
	orders Orders
	queue  Queue
	locks  *jobs.Locker
	live   Live
	clock  clock.Clock
	log    *slog.Logger
}

// NewService returns a service that searches the board.
func NewService(d Deps) *Service {
	return &Service{d.DB, d.Board, d.Trips, d.Orders, d.Queue, d.Locks, d.Live, d.Clock, d.Log}
}

// commit records a match; jobs.Attempt.Done is one.
type commit func(ctx context.Context, fn func(tx *db.Tx) error) error

// place puts the order on the best trip, or leaves it to be decided with others. The
// board may be stale: who loses the race for a trip takes its new version and
// searches again.
func (s *Service) place(ctx context.Context, orderID uuid.UUID, done commit) error {
	req, waiting, err := s.orders.Request(ctx, orderID)
	if err != nil || !waiting {
		return err
	}
	if s.live.gathers(req, s.clock) {
		return s.await(ctx)
	}
	for range raceRounds {
		offer, ok, err := s.search(ctx, req)
		if err != nil {
			return err
		}
		if !ok {
			return jobs.Release(searchEvery, "no trip yet")
		}
		err = done(ctx, func(tx *db.Tx) error {
			if err := s.trips.Assign(tx, offer.Trip, offer.Version); err != nil {
				return err
			}
			return s.orders.Matched(tx, orderID, offer.Trip.ID, offer.PickupAt, offer.DropoffAt)
		})
		switch {
		case err == nil:
			s.placed(ctx, offer)
			return nil
		case errors.Is(err, trip.ErrStale):
		case fault.KindOf(err) == fault.Conflict:
			return jobs.Release(0, "the order has changed meanwhile")
		default:
			return err
		}
		if err := s.board.Reload(ctx, offer.Trip.ID); err != nil {
			return err
		}
	}
	return jobs.Release(rand.N(racePause), "others were faster")
}

// search asks the board, and when it knows of nothing, the board as of now.
func (s *Service) search(ctx context.Context, req Request) (Offer, bool, error) {
	if err := s.board.prefetch(ctx, req); err != nil {
		s.log.DebugContext(ctx, "travel times are estimated", slog.Any("err", err))
	}
	if offer, ok := s.board.Search(req); ok {
		return offer, true, nil
	}
	if err := s.board.Refresh(ctx); err != nil {
		return Offer{}, false, err
	}
	offer, ok := s.board.Search(req)
	return offer, ok, nil
}

// placed brings the board up to date with a match that was committed.
func (s *Service) placed(ctx context.Context, o Offer) {
	t := o.Trip
	t.Version = o.Version + 1
	s.board.Put(t)
	s.log.InfoContext(ctx, "order matched", slog.String("trip_id", t.ID.String()),
		slog.Duration("added", o.Added), slog.Int("seats_left", t.SeatsLeft))
}

// wake makes the waiting orders that the trip suits search again, nearest
// deadline first. Each is tried by itself: not all of them may find a seat.
func (s *Service) wake(ctx context.Context, tripID uuid.UUID) error {
	t, err := s.trips.Get(ctx, tripID)
	if err != nil {
		return err
	}
	s.board.Put(t)
	if !t.TakesOrders(s.clock.Now()) {
		return nil
	}
	near, fits := s.board.suits(t)
	waiting, err := s.orders.Waiting(ctx, near, wakeSearch)
	if err != nil {
		return err
	}
	var suited []uuid.UUID
	for _, req := range waiting {
		if len(suited) < wakeMost && fits(req) {
			suited = append(suited, req.OrderID)
		}
	}
	if len(suited) == 0 {
		return nil
	}
	woken, err := s.queue.Wake(ctx, suited...)
	if err == nil {
		s.log.DebugContext(ctx, "waiting orders woken", slog.Int("suited", len(suited)), slog.Int("woken", woken))
	}
	return err
}
