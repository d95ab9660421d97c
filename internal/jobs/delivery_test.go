package jobs_test

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/hibiken/asynq"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/db/dbtest"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
)

func TestSecondDeliveryRecordsNothing(t *testing.T) {
	h := jobstest.New(t)
	var runs, effects atomic.Int32
	both := make(chan struct{})
	job := handle(h, "job", func(ctx context.Context, a *jobs.Attempt) error {
		if runs.Add(1) == 2 {
			close(both)
		}
		<-both // both runs are under way before either is done
		return a.Done(ctx, func(*db.Tx) error {
			effects.Add(1)
			return nil
		})
	})
	subject := h.Start(jobs.Chain(job))
	id := h.Flow(subject).Stages[0].Jobs[0].ID
	client := asynq.NewClient(h.Redis)
	defer func() { _ = client.Close() }()
	if _, err := client.Enqueue(asynq.NewTask("job", []byte(id.String()+":0")), asynq.Queue("q")); err != nil {
		t.Fatal(err)
	}
	h.Work("q")
	h.Await("both runs have ended", func() bool { return h.Events()["job done"] == 2 })
	if effects.Load() != 1 {
		t.Errorf("%d effects recorded, want 1", effects.Load())
	}
}

func TestAnEmptiedRedisLosesNothing(t *testing.T) {
	h, d := jobstest.New(t), &diary{}
	a, b := d.record(h, "a"), d.record(h, "b")
	var subjects []uuid.UUID
	for range 20 {
		subjects = append(subjects, h.Start(jobs.Chain(a, b)))
	}
	h.Dispatch(a.In(50 * time.Millisecond))
	if err := h.System.Redis().FlushDB(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	h.Work("q")
	for _, s := range subjects {
		h.AwaitFlow(s, "done")
	}
	h.Await("the delayed job ran too", func() bool { return h.Events()["a done"] == 21 })
	if n := strings.Count(d.String(), "b"); n != 20 {
		t.Errorf("second stages ran %d times, want 20", n)
	}
}

func TestTheSweepRevivesWhatAsynqArchived(t *testing.T) {
	h, d := jobstest.New(t), &diary{}
	subject := h.Start(jobs.Chain(d.record(h, "a")))
	inspector := asynq.NewInspector(h.Redis)
	defer func() { _ = inspector.Close() }()
	h.Await("delivered", func() bool {
		n, err := inspector.ArchiveAllPendingTasks("q")
		return err == nil && n == 1
	})
	h.Work("q")
	h.AwaitFlow(subject, "done")
	if d.String() != "a" {
		t.Errorf("ran %q", d)
	}
}

// The sweep must not look at what waits in Redis as it should.
func TestTheSweepLeavesTheBacklogAlone(t *testing.T) {
	h, d := jobstest.New(t), &diary{}
	job := d.record(h, "a")
	js := slices.Repeat([]jobs.Job{job}, 300)
	h.Dispatch(js...)
	pending := func() int64 {
		n, err := h.System.Redis().LLen(t.Context(), "asynq:{q}:pending").Result()
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	h.Await("all in Redis", func() bool { return pending() == 300 })
	w := h.System.Worker(h.Registry, jobstest.Config("q"))
	count := jobstest.Count(h.System.Redis())
	if n, err := w.Sweep(t.Context()); n != 0 || err != nil {
		t.Errorf("sweep restored %d, %v", n, err)
	}
	if n := count.Sent(); n > 5 {
		t.Errorf("the sweep sent %d commands for a backlog of 300 jobs", n)
	}
}

// A sweep that finds nothing lost must not ask SQLite for the lock of its only writer.
func TestASweepOfNothingWritesNothing(t *testing.T) {
	h := jobstest.New(t)
	w := h.System.Worker(h.Registry, jobstest.Config("q"))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	err := h.DB.Tx(ctx, func(*db.Tx) error {
		_, err := w.Sweep(ctx)
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestTheSweepGoesOnBesideARedisThatIsDown(t *testing.T) {
	h := jobstest.With(t, dbtest.Open(t), jobs.Options{
		Redis:       jobstest.Redis(t),
		Connections: map[string]asynq.RedisConnOpt{"far": asynq.RedisClientOpt{Addr: "127.0.0.1:1"}},
	})
	d := &diary{}
	h.Dispatch(d.record(h, "job"))
	inspector := asynq.NewInspectorFromRedisClient(h.System.Redis())
	h.Await("delivered", func() bool {
		q, err := inspector.GetQueueInfo("q")
		return err == nil && q.Pending == 1
	})
	if err := h.System.Redis().FlushDB(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	w := h.System.Worker(h.Registry, jobstest.Config("q", "far"))
	h.Await("the lost job is delivered again", func() bool {
		n, err := w.Sweep(t.Context())
		if err == nil {
			t.Error("the sweep does not say that a Redis is down")
		}
		return n == 1
	})
}
