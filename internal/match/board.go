package match

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/golang/geo/s2"
	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/geo"
	"github.com/spotpool/spotpool/internal/trip"
)

// Source is where a board reads trips from; trip.Service is one.
type Source interface {
	Changed(ctx context.Context, since time.Time) ([]trip.Mark, error)
	TakingOrders(ctx context.Context, now time.Time) ([]trip.Mark, error)
	Load(ctx context.Context, ids ...uuid.UUID) ([]trip.Trip, error)
}

// Board holds the trips that take orders in memory and searches them. It may be
// behind the database, which the commit of a match finds out by the trip's
// version. It is safe for concurrent use.
type Board struct {
	source Source
	travel geo.Travel
	clock  clock.Clock
	log    *slog.Logger

	mu       sync.RWMutex
	routes   map[uuid.UUID]*route
	versions map[uuid.UUID]int // newest seen, also of trips that were closed lately
	index    index

	rounds    rounds
	searchers sync.Pool
}

// NewBoard returns an empty board; Run or Refresh fills it.
func NewBoard(source Source, travel geo.Travel, c clock.Clock, log *slog.Logger) *Board {
	return &Board{
		source: source, travel: travel, clock: c, log: log,
		routes: map[uuid.UUID]*route{}, versions: map[uuid.UUID]int{}, index: index{cells: map[s2.CellID][]*route{}},
		rounds:    rounds{turn: make(chan struct{}, 1), fresh: c.Now()},
		searchers: sync.Pool{New: func() any { return new(searcher) }},
	}
}

// Search returns the cheapest way to serve the request with a trip on the
// board: least added driving, then the earliest dropoff, then the smallest trip
// id. It returns false when no trip can serve it.
func (b *Board) Search(req Request) (Offer, bool) {
	s := b.searchers.Get().(*searcher)
	defer b.searchers.Put(s)
	s.begin(b.travel, req)
	b.mu.RLock()
	s.routes = b.index.near(s.routes, s.start.Point, s.end.Point)
	b.mu.RUnlock()
	now := b.clock.Now()
	for _, r := range s.routes {
		if r.trip.DepartAt.After(now) {
			s.consider(r)
		}
	}
	return s.offer()
}

// Put brings one trip up to date: the board takes it, or drops it when it takes
// no orders. A version that is older than what the board has seen is ignored.
func (b *Board) Put(t trip.Trip) {
	var r *route
	if t.TakesOrders(b.clock.Now()) {
		r = newRoute(t, b.travel)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if seen, ok := b.versions[t.ID]; ok && seen >= t.Version {
		return
	}
	b.drop(t.ID)
	b.versions[t.ID] = t.Version
	if r != nil {
		b.routes[t.ID] = r
		b.index.add(r)
	}
}

// drop takes a trip off the board. The caller holds the lock.
func (b *Board) drop(id uuid.UUID) {
	if r := b.routes[id]; r != nil {
		b.index.remove(r)
		delete(b.routes, id)
	}
}

// Len returns how many trips are on the board.
func (b *Board) Len() int {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return len(b.routes)
}

// suits returns where the orders that the trip can serve start, and whether it
// can serve a given one.
func (b *Board) suits(t trip.Trip) (near geo.Box, fits func(Request) bool) {
	r := newRoute(t, b.travel)
	points, radius := r.corridor(b.travel.Pace())
	s := new(searcher)
	return geo.Around(radius, points...), func(req Request) bool {
		s.begin(b.travel, req)
		s.consider(r)
		return s.best.route != nil
	}
}
