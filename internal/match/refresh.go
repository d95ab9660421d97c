package match

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/trip"
)

const (
	pollEvery   = 200 * time.Millisecond
	readTimeout = 10 * time.Second // of one refresh; what it has read by then is kept
	loadChunk   = 500              // trips read by one query
	loaders     = 4                // queries at a time

	// overlap is how far each refresh looks back beyond the one before it, by the
	// wall's clock: it covers commits that came late and clocks that disagree.
	overlap = 5 * time.Second
	// fullEvery is how often all trips are compared, which finds what a clock
	// that is wrong by more than the overlap has hidden.
	fullEvery = time.Minute
)

// rounds lets refreshes that are asked for at the same time share one.
type rounds struct {
	turn chan struct{} // held by the round that reads

	mu    sync.Mutex
	next  *round    // has not begun to read; callers may join it
	fresh time.Time // when the newest successful round began
	full  time.Time // when all trips were last compared
}

type round struct {
	over chan struct{}
	err  error
}

// Run keeps the board fresh until ctx is over.
func (b *Board) Run(ctx context.Context) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for failing := false; ; {
		err := b.Refresh(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil && !failing {
			b.log.WarnContext(ctx, "the board cannot be refreshed", slog.Any("error", err))
		}
		if err == nil && failing {
			b.log.InfoContext(ctx, "the board is fresh again", slog.Int("trips", b.Len()))
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Age returns how long ago the board was known to be fresh, by the wall's clock.
func (b *Board) Age() time.Duration {
	b.rounds.mu.Lock()
	defer b.rounds.mu.Unlock()
	return clock.Wall(b.clock, b.clock.Now().Sub(b.rounds.fresh))
}

// Refresh brings the board up to what was committed when Refresh was called.
// Calls share a refresh, but none joins one that had begun before it.
func (b *Board) Refresh(ctx context.Context) error {
	b.rounds.mu.Lock()
	r := b.rounds.next
	if r == nil {
		r = &round{over: make(chan struct{})}
		b.rounds.next = r
		b.rounds.mu.Unlock()
		b.lead(ctx, r)
		return r.err
	}
	b.rounds.mu.Unlock()
	select {
	case <-r.over:
		return r.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// lead runs one round when the one before it is over. Others wait for it, so
// the end of the leader's ctx does not end it; a time limit does.
func (b *Board) lead(ctx context.Context, r *round) {
	b.rounds.turn <- struct{}{}
	b.rounds.mu.Lock()
	b.rounds.next = nil
	b.rounds.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readTimeout)
	defer cancel()
	r.err = b.read(ctx)
	<-b.rounds.turn
	close(r.over)
}

// read compares the board with the source. One round reads at a time.
func (b *Board) read(ctx context.Context) error {
	began := b.clock.Now()
	full := clock.Wall(b.clock, began.Sub(b.rounds.full)) >= fullEvery
	var marks []trip.Mark
	var err error
	if full {
		marks, err = b.source.TakingOrders(ctx, began)
	} else {
		marks, err = b.source.Changed(ctx, b.rounds.fresh.Add(-clock.App(b.clock, overlap)))
	}
	if err != nil {
		return err
	}
	if err := b.Reload(ctx, b.behind(marks, full)...); err != nil {
		return err
	}
	b.dropDeparted(began)
	b.rounds.mu.Lock()
	defer b.rounds.mu.Unlock()
	b.rounds.fresh = began
	if full {
		b.rounds.full = began
	}
	return nil
}

// behind returns the trips of which the marks name a newer version than the
// board has seen. When the marks are all trips that take orders, it adds those
// on the board that are not among them, and forgets the trips closed lately.
func (b *Board) behind(marks []trip.Mark, full bool) (ids []uuid.UUID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	marked := map[uuid.UUID]bool{}
	for _, m := range marks {
		if full {
			marked[m.ID] = true
		}
		if seen, ok := b.versions[m.ID]; !ok || seen < m.Version {
			ids = append(ids, m.ID)
		}
	}
	if !full {
		return ids
	}
	for id := range b.versions {
		switch _, on := b.offered[id]; {
		case !on:
			delete(b.versions, id)
		case !marked[id]:
			ids = append(ids, id)
		}
	}
	return ids
}

// Reload brings the named trips up to date and drops those that are no more.
func (b *Board) Reload(ctx context.Context, ids ...uuid.UUID) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(loaders)
	for chunk := range slices.Chunk(ids, loadChunk) {
		group.Go(func() error { return b.load(ctx, chunk) })
	}
	return group.Wait()
}

// load brings some trips up to date.
func (b *Board) load(ctx context.Context, ids []uuid.UUID) error {
	trips, err := b.source.Load(ctx, ids...)
	if err != nil {
		return err
	}
	gone := map[uuid.UUID]bool{}
	for _, id := range ids {
		gone[id] = true
	}
	for _, t := range trips {
		b.Put(t)
		delete(gone, t.ID)
	}
	b.forget(gone)
	return nil
}

func (b *Board) forget(ids map[uuid.UUID]bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for id := range ids {
		b.drop(id)
		delete(b.versions, id)
	}
}

// dropDeparted drops the trips whose departure has passed.
func (b *Board) dropDeparted(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for id, o := range b.offered {
		if !o.trip.TakesOrders(now) {
			b.drop(id)
		}
	}
}
