package match

import (
	"context"
	"log/slog"
	"sync"
	"time"

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
	offered  map[uuid.UUID]offered
	versions map[uuid.UUID]int // newest seen, also of trips that were closed lately
	index    *index

	rounds    rounds
	searchers sync.Pool
}

// offered is a trip on the board and its route.
type offered struct {
	trip  trip.Trip
	route *route
}

// NewBoard returns an empty board; Run or Refresh fills it.
func NewBoard(source Source, travel geo.Travel, c clock.Clock, log *slog.Logger) *Board {
	return &Board{
		source: source, travel: travel, clock: c, log: log,
		offered: map[uuid.UUID]offered{}, versions: map[uuid.UUID]int{}, index: newIndex(travel),
		rounds:    rounds{turn: make(chan struct{}, 1), fresh: c.Now()},
		searchers: sync.Pool{New: func() any { return &searcher{ahead: true} }},
	}
}

// Search returns the cheapest way to serve the request with a trip on the
// board: least added driving, then the earliest dropoff, then the smallest trip
// id. It returns false when no trip can serve it.
func (b *Board) Search(req Request) (Offer, bool) {
	s := b.searchers.Get().(*searcher)
	defer b.searchers.Put(s)
	if !s.begin(b.travel, req.ride(b.travel), since(b.clock.Now())) {
		return Offer{}, false
	}
	b.mu.RLock()
	s.search(b.index)
	var found offered
	if best := s.best(); best.route != nil {
		found = b.offered[best.route.path.ID]
	}
	b.mu.RUnlock()
	if found.route == nil {
		return Offer{}, false
	}
	return offer(found.trip, s.best(), req, b.travel), true
}

// Put brings one trip up to date: the board takes it, or drops it when it takes
// no orders. A version that is older than what the board has seen is ignored.
func (b *Board) Put(t trip.Trip) {
	var r *route
	if t.TakesOrders(b.clock.Now()) {
		r = newRoute(pathOf(t, b.travel), b.travel)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if seen, ok := b.versions[t.ID]; ok && seen >= t.Version {
		return
	}
	b.drop(t.ID)
	b.versions[t.ID] = t.Version
	if r != nil {
		b.offered[t.ID] = offered{t, r}
		b.index.add(r)
	}
}

// drop takes a trip off the board. The caller holds the lock.
func (b *Board) drop(id uuid.UUID) {
	if o, on := b.offered[id]; on {
		b.index.remove(o.route)
		delete(b.offered, id)
	}
}

// Len returns how many trips are on the board.
func (b *Board) Len() int {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return len(b.offered)
}

// suits returns where the orders that the trip can serve start, and whether it
// can serve a given one.
func (b *Board) suits(t trip.Trip) (near geo.Box, fits func(Request) bool) {
	r := newRoute(pathOf(t, b.travel), b.travel)
	points, radius := r.corridor(b.travel.Pace())
	s := &searcher{ahead: true}
	return geo.Around(radius, points...), func(req Request) bool {
		if !s.begin(b.travel, req.ride(b.travel), since(b.clock.Now())) {
			return false
		}
		s.consider(r)
		return s.best().route != nil
	}
}
