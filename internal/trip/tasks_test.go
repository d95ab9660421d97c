package trip

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
)

// engine is a trip service whose jobs are run by a real queue.
type engine struct {
	*world
	queue *jobstest.Harness
}

// startEngine returns one whose time stands at noon. No worker runs yet; the jobs
// that offer seats call offered with the trip.
func startEngine(t *testing.T, offered func(trip uuid.UUID)) *engine {
	t.Helper()
	h := jobstest.New(t)
	e := &engine{&world{t: t, db: h.DB, clock: clock.NewFake(noon)}, h}
	e.Service = NewService(h.DB, h.Client, e.clock, Config{Travel: minutes{}, DefaultDetour: DefaultDetour, Roomier: offerSeats})
	e.Register(h.Registry)
	jobs.Handle(h.Registry, offersKind, func(_ context.Context, _ *jobs.Attempt, args tripArgs) error {
		offered(args.TripID)
		return nil
	})
	return e
}

// Through the queue: a trip that was offered departs by itself at its time.
func TestATripDepartsByItself(t *testing.T) {
	h, now := jobstest.New(t), clock.System{}
	s := NewService(h.DB, h.Client, now, Config{Travel: minutes{}, DefaultDetour: DefaultDetour})
	s.Register(h.Registry)
	h.Work("low")

	var offered Trip
	err := h.DB.Tx(t.Context(), func(tx *db.Tx) (err error) {
		offer := anOffer()
		offer.DepartAt = now.Now().Add(300 * time.Millisecond)
		if offered, err = s.Offer(tx, offer); err != nil {
			return err
		}
		return h.Client.Dispatch(tx, Depart(uuid.New())) // of no trip: nothing happens
	})
	if err != nil {
		t.Fatal(err)
	}
	h.Await("the trip departs", func() bool {
		got, err := s.Get(t.Context(), offered.ID)
		if err != nil {
			t.Fatal(err)
		}
		if got.Status == Departed && got.ChangedAt.Before(got.DepartAt) {
			t.Fatalf("departed at %s, before %s", got.ChangedAt, got.DepartAt)
		}
		return got.Status == Departed
	})
	h.Await("the other job ends", func() bool { return h.Events()["trip:depart skipped"] == 1 })
	if n := h.Events()["trip:depart failed"]; n > 0 {
		t.Errorf("%d jobs failed", n)
	}
}

// Two orders leave: the plan is worked out once, and the seats are offered once.
func TestThePlanIsRefreshedOnce(t *testing.T) {
	var mu sync.Mutex
	var told []uuid.UUID
	e := startEngine(t, func(id uuid.UUID) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, id)
	})
	a, b, c := uuid.New(), uuid.New(), uuid.New()
	trip := e.assign(e.offered(), Plan{
		pickup(a, -2, 2, 0), pickup(b, 5, 1, 0), pickup(c, 8, 1, 0), dropoff(a, 20, 2, 60), dropoff(b, 25, 1, 60), dropoff(c, 26, 1, 70),
	})
	stop := e.queue.Work("match")
	e.queue.Await("the new trip to be offered", func() bool { return e.queue.Events()["test:offer done"] == 1 })
	stop()
	e.remove(trip.ID, a)
	e.remove(trip.ID, c)
	if got := e.get(trip.ID); got.SeatsLeft != 3 || got.ArriveAt.Equal(at(40)) {
		t.Errorf("before the refresh %+v", got)
	}
	e.queue.Work("match")
	e.queue.Await("the seats to be offered", func() bool { return e.queue.Events()["test:offer done"] == 2 })
	got := e.get(trip.ID)
	if !slices.Equal(got.Plan.Orders(), []uuid.UUID{b}) || !got.Plan[0].At.Equal(at(15)) || !got.ArriveAt.Equal(at(40)) || got.Version != 5 {
		t.Errorf("refreshed %+v", got)
	}
	if n := e.queue.Events()["trip:refresh_plan done"]; n != 1 || !slices.Equal(told, []uuid.UUID{trip.ID, trip.ID}) {
		t.Errorf("%d refreshes, offered %v", n, told)
	}
	e.queue.Dispatch(RefreshPlan(trip.ID), RefreshPlan(uuid.New()))
	e.queue.Await("both to end", func() bool {
		return e.queue.Events()["trip:refresh_plan done"] == 2 && e.queue.Events()["trip:refresh_plan skipped"] == 1
	})
	if again := e.get(trip.ID); again.Version != got.Version {
		t.Errorf("version %d after nothing changed, want %d", again.Version, got.Version)
	}
	e.clock.Advance(10 * time.Minute)
	e.queue.Dispatch(RefreshPlan(trip.ID))
	e.queue.Await("the last one", func() bool { return e.queue.Events()["trip:refresh_plan done"] == 3 })
	jobstest.AssertKindCount(t, e.queue, offersKind.Name, 3) // not those of a trip that has departed
}

// An order that leaves while the plan is worked out asks for another run.
func TestARefreshUnderWayIsNotEnough(t *testing.T) {
	h := jobstest.New(t)
	begun, goOn := make(chan struct{}, 2), make(chan struct{})
	jobs.Handle(h.Registry, refreshKind, func(context.Context, *jobs.Attempt, tripArgs) error {
		begun <- struct{}{}
		<-goOn
		return nil
	})
	id := uuid.New()
	h.Work("match")
	h.Dispatch(RefreshPlan(id))
	select {
	case <-begun:
	case <-time.After(jobstest.Deadline):
		t.Fatal("the refresh never began")
	}
	h.Dispatch(RefreshPlan(id))
	close(goOn)
	h.Await("two runs", func() bool { return h.Events()["trip:refresh_plan done"] == 2 })
}

func TestTags(t *testing.T) {
	id := uuid.New()
	for _, tags := range [][]string{departKind.Tags(tripArgs{id}), refreshKind.Tags(tripArgs{id})} {
		if !slices.Equal(tags, []string{"trip:" + id.String()}) {
			t.Errorf("tags %v", tags)
		}
	}
}
