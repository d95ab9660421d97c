package match

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/fault"
	"github.com/spotpool/spotpool/internal/geo"
	"github.com/spotpool/spotpool/internal/trip"
)

const (
	passMost   = 1000   // orders that wait, decided at once; nearest deadline first
	untoldMost = 10_000 // matched orders that may move
	commits    = 8      // at the same time
)

// outcome is what came of a pass.
type outcome struct {
	waited, placed, moved int
	lost                  int // changes that came to nothing because others were faster
}

// pass decides the orders that wait and carries that out. It keeps nothing: the next
// one may be any worker's. What others change meanwhile is left to the next one too.
func (s *Service) pass(ctx context.Context) (out outcome, err error) {
	if err := s.board.Refresh(ctx); err != nil {
		return out, err
	}
	waiting, err := s.orders.Waiting(ctx, geo.Globe(), passMost)
	if err != nil {
		return out, err
	}
	now := s.clock.Now()
	latest := now.Add(clock.App(s.clock, lastMoment))
	waiting = slices.DeleteFunc(waiting, func(r Request) bool { return r.DecideBy.Before(latest) })
	if out.waited = len(waiting); len(waiting) == 0 {
		return out, nil
	}
	stays, err := s.staying(ctx)
	if err != nil {
		return out, err
	}
	s.prefetchAll(ctx, waiting)
	changes := s.plan(ctx, waiting, stays, now)
	if err := ctx.Err(); err != nil {
		return out, err
	}
	return s.carryOut(ctx, out, changes)
}

// staying returns whether an order is to stay on its trip. By default it is.
func (s *Service) staying(ctx context.Context) (func(order uuid.UUID) bool, error) {
	switch {
	case s.live.Policy != Best:
		return func(uuid.UUID) bool { return true }, nil
	case s.live.Lock == LockAtPickup:
		return func(uuid.UUID) bool { return false }, nil
	}
	untold, err := s.orders.Untold(ctx, untoldMost)
	moves := make(map[uuid.UUID]bool, len(untold))
	for _, id := range untold {
		moves[id] = true
	}
	return func(order uuid.UUID) bool { return !moves[order] }, err
}

// prefetchAll has a travel model that asks a server fetch what the decision will ask
// for, as far as it gets in the time of an improvement.
func (s *Service) prefetchAll(ctx context.Context, waiting []Request) {
	if _, asks := s.board.travel.(geo.Fetcher); !asks {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, max(s.live.Budget, time.Second))
	defer cancel()
	for _, req := range waiting {
		if err := s.board.prefetch(ctx, req); err != nil {
			s.log.DebugContext(ctx, "travel times are estimated", slog.Any("err", err))
			return
		}
	}
}

// plan decides, in memory, and returns what is to be changed.
func (s *Service) plan(ctx context.Context, waiting []Request, stays func(uuid.UUID) bool, now time.Time) []*change {
	d := NewDispatcher(s.board.travel, Settings{
		Policy: s.live.Policy, Window: s.live.Window, Hold: -1, Moving: s.live.moving(), Budget: s.live.Budget,
		Seed: uint64(now.UnixNano()), Stop: ctx.Done(),
	})
	// A trip that leaves during the pass would only cost its orders a lost race.
	trips := s.board.give(d, now.Add(clock.App(s.clock, s.live.Budget)), stays)
	for _, req := range waiting {
		ride := req.ride(s.board.travel)
		ride.DecideBy = NoLimit
		d.Order(ride, since(now))
	}
	return newPlanner(d, trips, waiting).changes(d.Tick(since(now)))
}

// carryOut commits the changes, each in a transaction of its own.
func (s *Service) carryOut(ctx context.Context, out outcome, changes []*change) (outcome, error) {
	var mu sync.Mutex
	var errs []error
	var wg sync.WaitGroup
	slots := make(chan struct{}, commits)
	for _, c := range changes {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			err := s.commit(ctx, c)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				out.placed += len(c.placed)
				out.moved += len(c.moved)
			case fault.KindOf(err) == fault.Conflict:
				out.lost++
			default:
				errs = append(errs, err)
			}
		})
	}
	wg.Wait()
	return out, errors.Join(errs...)
}

// commit makes a change, wholly or not at all: a Conflict says that a trip or an
// order is not what it was when the change was decided.
func (s *Service) commit(ctx context.Context, c *change) error {
	err := s.db.Tx(ctx, func(tx *db.Tx) error {
		for _, p := range c.plans {
			if err := s.trips.Assign(tx, p.trip, p.trip.Version); err != nil {
				return err
			}
		}
		woken := make([]uuid.UUID, len(c.placed))
		for i, p := range c.placed {
			woken[i] = p.Order
			if err := s.orders.Matched(tx, p.Order, p.To, p.PickupAt, p.DropoffAt); err != nil {
				return err
			}
		}
		for _, m := range c.moved {
			m.Told = s.live.Lock == LockAtPickup
			if err := s.orders.Moved(tx, m); err != nil {
				return err
			}
		}
		_, err := s.queue.WakeIn(tx, woken...)
		return err
	})
	if err != nil {
		return err
	}
	for _, p := range c.plans {
		p.trip.Version++
		s.board.Put(p.trip)
	}
	for _, p := range c.placed {
		s.log.InfoContext(ctx, "order matched", slog.String("order_id", p.Order.String()), slog.String("trip_id", p.To.String()))
	}
	for _, m := range c.moved {
		s.log.InfoContext(ctx, "order moved", slog.String("order_id", m.Order.String()),
			slog.String("from_trip_id", m.From.String()), slog.String("trip_id", m.To.String()))
	}
	return nil
}

// give gives a dispatcher the trips of the board that leave after a time, with the
// orders marked that stay where they are, and returns them.
func (b *Board) give(d *Dispatcher, after time.Time, stays func(order uuid.UUID) bool) map[uuid.UUID]trip.Trip {
	b.mu.RLock()
	all := make([]offered, 0, len(b.offered))
	for _, o := range b.offered {
		if o.trip.TakesOrders(after) {
			all = append(all, o)
		}
	}
	b.mu.RUnlock()
	slices.SortFunc(all, func(a, b offered) int { return compare(a.trip.ID, b.trip.ID) })
	trips := make(map[uuid.UUID]trip.Trip, len(all))
	for _, o := range all {
		trips[o.trip.ID] = o.trip
		d.fleet.set(o.route.staying(stays))
	}
	return trips
}
