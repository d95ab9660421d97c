package match

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/trip"
)

// shelf is a source of trips in memory. Reads of its marks pass the gate, when it has one.
type shelf struct {
	mu    sync.Mutex
	trips map[uuid.UUID]trip.Trip
	err   error
	fulls int
	parts int
	loads int
	gate  chan struct{}
}

func (s *shelf) put(t trip.Trip) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trips[t.ID] = t
}

func (s *shelf) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func (s *shelf) Changed(ctx context.Context, since time.Time) ([]trip.Mark, error) {
	return s.marks(ctx, &s.parts, func(t trip.Trip) bool { return !t.ChangedAt.Before(since) })
}

func (s *shelf) TakingOrders(ctx context.Context, now time.Time) ([]trip.Mark, error) {
	return s.marks(ctx, &s.fulls, func(t trip.Trip) bool { return t.TakesOrders(now) })
}

func (s *shelf) marks(ctx context.Context, count *int, fits func(trip.Trip) bool) (marks []trip.Mark, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*count++
	for t := range maps.Values(s.trips) {
		if fits(t) {
			marks = append(marks, trip.Mark{ID: t.ID, Version: t.Version})
		}
	}
	if gate := s.gate; gate != nil {
		s.mu.Unlock()
		select {
		case <-gate:
		case <-ctx.Done():
		}
		s.mu.Lock()
	}
	return marks, errors.Join(s.err, ctx.Err())
}

func (s *shelf) Load(_ context.Context, ids ...uuid.UUID) (trips []trip.Trip, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		if t, ok := s.trips[id]; ok {
			trips = append(trips, t)
			s.loads++
		}
	}
	return trips, s.err
}

func newShelf(trips ...trip.Trip) *shelf {
	s := &shelf{trips: map[uuid.UUID]trip.Trip{}}
	for _, t := range trips {
		s.put(t)
	}
	return s
}

func newTestBoard(s Source, c clock.Clock) *Board {
	return NewBoard(s, minutes{}, c, slog.New(slog.DiscardHandler))
}

// leaving is a trip on the street that departs so many minutes after noon.
func leaving(minute int) trip.Trip {
	t := street(4, 0)
	t.DepartAt, t.Version, t.ChangedAt = at(minute), 1, noon
	return t.Reschedule(minutes{})
}

func TestPutKeepsTheNewest(t *testing.T) {
	board := newTestBoard(newShelf(), clock.NewFake(noon))
	req := ask(5, 25, 1, 0, 60)
	made := leaving(10)
	steps := []struct {
		what    string
		version int
		status  trip.Status
		found   int // the version a search finds, 0 for none
	}{
		{"a new trip", 2, trip.Open, 2},
		{"the same again", 2, trip.Cancelled, 2},
		{"an older one", 1, trip.Open, 2},
		{"a newer one", 3, trip.Open, 3},
		{"a closed one", 4, trip.Cancelled, 0},
		{"an open one from before", 3, trip.Open, 0},
	}
	for _, step := range steps {
		made.Version, made.Status = step.version, step.status
		board.Put(made)
		got, ok := board.Search(req)
		if ok != (step.found > 0) || got.Version != step.found || board.Len() != min(step.found, 1) {
			t.Errorf("after %s: found %v, version %d, %d on the board", step.what, ok, got.Version, board.Len())
		}
	}
	if board.index.trees != [3]tree{} {
		t.Error("cells are left in an empty index")
	}
}

func TestDepartedTripsAreNotFound(t *testing.T) {
	now := clock.NewFake(noon)
	made := leaving(10)
	board := newTestBoard(newShelf(made), now)
	board.Put(made)
	now.Advance(10 * time.Minute)
	if _, ok := board.Search(ask(5, 25, 1, 0, 60)); ok {
		t.Error("found a trip that has departed")
	}
	if err := board.Refresh(t.Context()); err != nil || board.Len() != 0 {
		t.Errorf("%v, %d trips on the board", err, board.Len())
	}
}

func TestRefreshFollowsTheSource(t *testing.T) {
	now := clock.NewFake(noon)
	stays, closes, goes := leaving(30), leaving(30), leaving(30)
	source := newShelf(stays, closes, goes)
	board := newTestBoard(source, now)
	refresh := func(want, loads int) {
		t.Helper()
		source.loads = 0
		if err := board.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if board.Len() != want || source.loads != loads {
			t.Errorf("%d trips on the board after %d loads, want %d and %d", board.Len(), source.loads, want, loads)
		}
	}
	refresh(3, 3)
	refresh(3, 0)

	now.Advance(10 * time.Second)
	closes.Status, closes.Version, closes.ChangedAt = trip.Cancelled, 2, now.Now()
	late := leaving(30) // committed only now, with a time from before the last refresh
	late.ChangedAt = noon.Add(-overlap)
	source.put(closes)
	source.put(late)
	refresh(3, 2)
	refresh(3, 0)

	// What no change tells of is found when all trips are compared.
	hidden := leaving(30)
	hidden.ChangedAt = noon.Add(-time.Hour)
	source.put(hidden)
	delete(source.trips, goes.ID)
	refresh(3, 0)
	now.Advance(fullEvery)
	refresh(3, 1)
	for id, on := range map[uuid.UUID]bool{stays.ID: true, late.ID: true, hidden.ID: true, closes.ID: false, goes.ID: false} {
		if _, got := board.offered[id]; got != on {
			t.Errorf("trip %s on the board: %v, want %v", id, got, on)
		}
	}
	if len(board.versions) != 3 {
		t.Errorf("%d versions are kept, want those of the 3 trips", len(board.versions))
	}
}

func TestRefreshReadsManyTrips(t *testing.T) {
	source := newShelf()
	for range loaders*loadChunk + 1 {
		source.put(leaving(30))
	}
	board := newTestBoard(source, clock.NewFake(noon))
	if err := board.Refresh(t.Context()); err != nil || board.Len() != len(source.trips) {
		t.Errorf("%v, %d trips on the board, want %d", err, board.Len(), len(source.trips))
	}
	source.err = errors.New("the database is away")
	if err := board.Reload(t.Context(), slices.Collect(maps.Keys(source.trips))...); !errors.Is(err, source.err) {
		t.Errorf("got %v", err)
	}
}

func TestRefreshIsSharedButNeverOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := leaving(10), leaving(10)
		source := newShelf(first)
		source.gate = make(chan struct{})
		board := newTestBoard(source, clock.NewFake(noon))
		var all sync.WaitGroup
		refresh := func() {
			all.Go(func() {
				if err := board.Refresh(t.Context()); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		refresh() // reads, and stands at the gate
		source.put(second)
		for range 5 {
			refresh() // came after that, so they want the second trip
		}
		source.gate <- struct{}{}
		synctest.Wait()
		if board.Len() != 1 {
			t.Errorf("%d trips after the first round, want 1", board.Len())
		}
		source.gate <- struct{}{}
		all.Wait()
		if board.Len() != 2 || source.fulls+source.parts != 2 {
			t.Errorf("%d trips after %d rounds, want 2 after 2", board.Len(), source.fulls+source.parts)
		}
	})
}

func TestRefreshOutlivesItsLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := newShelf(leaving(10))
		source.gate = make(chan struct{})
		board := newTestBoard(source, clock.NewFake(noon))
		running, waiting := make(chan error, 1), make(chan error, 1)
		go func() { running <- board.Refresh(t.Context()) }()
		synctest.Wait()
		leader, leave := context.WithCancel(t.Context())
		go func() { _ = board.Refresh(leader) }()
		synctest.Wait()
		go func() { waiting <- board.Refresh(t.Context()) }()
		synctest.Wait()
		leave()
		close(source.gate)
		if err := errors.Join(<-running, <-waiting); err != nil {
			t.Error(err)
		}
	})
}

func TestRefreshGivesUpAfterAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := newShelf()
		source.gate = make(chan struct{}) // nobody opens it
		board := newTestBoard(source, clock.NewFake(noon))
		if err := board.Refresh(t.Context()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

func TestRunKeepsTheBoardFresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := clock.NewFake(noon)
		source := newShelf(leaving(10))
		board := newTestBoard(source, now)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- board.Run(ctx) }()
		synctest.Wait()
		if board.Len() != 1 {
			t.Errorf("%d trips at the start, want 1", board.Len())
		}

		tick := func(change func()) {
			now.Advance(pollEvery)
			source.set(change)
			<-time.After(pollEvery)
			synctest.Wait()
		}
		tick(func() { source.err = errors.New("the database is away") })
		if board.Age() != pollEvery || board.Len() != 1 {
			t.Errorf("age %s with %d trips while the database is away", board.Age(), board.Len())
		}
		more := leaving(10)
		tick(func() { source.err, source.trips[more.ID] = nil, more })
		if board.Age() != 0 || board.Len() != 2 {
			t.Errorf("age %s with %d trips when it is back, want 0 and 2", board.Age(), board.Len())
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
