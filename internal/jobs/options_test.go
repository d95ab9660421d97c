package jobs_test

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
)

// ends runs a worker until it stops by itself.
func ends(t *testing.T, h *jobstest.Harness, cfg jobs.WorkerConfig) {
	t.Helper()
	ended := make(chan error, 1)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { ended <- h.System.Worker(h.Registry, cfg).Run(ctx) }()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(jobstest.Deadline):
		cancel()
		<-ended
		t.Fatalf("the worker goes on; attempts so far: %v", h.Events())
	}
}

// pending waits until that many tasks of a queue are in Redis.
func pending(t *testing.T, h *jobstest.Harness, queue string, n int64) {
	t.Helper()
	h.Await("all in Redis", func() bool {
		v, err := h.System.Admin().Queues(t.Context(), queue)
		if err != nil {
			t.Fatal(err)
		}
		return v[0].Pending == n
	})
}

func TestMaxJobsIsExact(t *testing.T) {
	h, d := jobstest.New(t), &diary{}
	h.Dispatch(slices.Repeat([]jobs.Job{d.record(h, "a")}, 20)...)
	pending(t, h, "q", 20)
	cfg := jobstest.Config("q")
	cfg.MaxJobs = 7
	for _, want := range []int{7, 14, 20} {
		if want == 20 {
			cfg.MaxJobs, cfg.StopWhenEmpty = 0, true
		}
		ends(t, h, cfg)
		if got := h.Events()["a done"]; got != want {
			t.Errorf("%d jobs have run, want %d", got, want)
		}
	}
}

func TestStopWhenEmptyLeavesWhatIsNotDue(t *testing.T) {
	h, d := jobstest.New(t), &diary{}
	a, b := d.record(h, "a"), d.record(h, "b")
	subject := h.Start(jobs.Chain(a, b, jobs.Batch(a, a), b.In(time.Hour)))
	h.Dispatch(b.On("other"))
	cfg := jobstest.Config("q")
	cfg.StopWhenEmpty = true
	ends(t, h, cfg)
	if got, want := outline(h.Flow(subject)), "main a:done; main b:done; main a:done | a:done; main b:ready"; got != want {
		t.Errorf("stages %q, want %q", got, want)
	}
	if d.String() != "a, b, a, a" {
		t.Errorf("ran %s", d)
	}
}

// Empty is what the database says: a job that Redis has lost is still to be run.
func TestStopWhenEmptyWaitsForWhatRedisLost(t *testing.T) {
	h, d := jobstest.New(t), &diary{}
	h.Dispatch(d.record(h, "a"))
	pending(t, h, "q", 1)
	if err := h.System.Redis().FlushDB(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	cfg := jobstest.Config("q")
	cfg.StopWhenEmpty = true
	ends(t, h, cfg)
	if d.String() != "a" {
		t.Errorf("ran %q", d)
	}
}

func TestMaxTimeEndsAWorker(t *testing.T) {
	h := jobstest.New(t)
	began := make(chan struct{})
	slow := handle(h, "slow", func(ctx context.Context, _ *jobs.Attempt) error {
		close(began)
		select { // until the worker is on its way out, which lets it end
		case <-time.After(600 * time.Millisecond):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	h.Dispatch(slow)
	cfg := jobstest.Config("q")
	cfg.MaxTime = 300 * time.Millisecond
	ends(t, h, cfg)
	select {
	case <-began:
	default:
		t.Skip("the machine was too slow to begin the job in time")
	}
	if h.Events()["slow done"] != 1 {
		t.Errorf("what ran did not end: %v", h.Events())
	}
}

func TestMaxMemoryEndsAWorker(t *testing.T) {
	h := jobstest.New(t)
	cfg := jobstest.Config("q")
	cfg.MaxMemory = 1 << 20 // no Go program holds less
	ends(t, h, cfg)
}

func TestStrictPriority(t *testing.T) {
	h, d := jobstest.New(t), &diary{}
	high, low := d.record(h, "high").On("first"), d.record(h, "low").On("second")
	for range 20 {
		h.Dispatch(low, high)
	}
	pending(t, h, "first", 20)
	pending(t, h, "second", 20)
	cfg := jobstest.Config()
	cfg.Queues, cfg.Strict, cfg.Concurrency, cfg.StopWhenEmpty = map[string]int{"first": 2, "second": 1}, true, 1, true
	ends(t, h, cfg)
	if got, want := d.String(), strings.Repeat("high, ", 20)+strings.Repeat("low, ", 20); got+", " != want {
		t.Errorf("ran %s", got)
	}
}

func TestMaxTriesBoundsWhatAKindSays(t *testing.T) {
	h := jobstest.New(t)
	k, often := step("bad"), step("once")
	often.Tries = 1
	fail := func(context.Context, *jobs.Attempt, stepArgs) error { return context.DeadlineExceeded }
	jobs.Handle(h.Registry, k, fail)
	jobs.Handle(h.Registry, often, fail)
	cfg := jobstest.Config("q")
	cfg.MaxTries = 2
	h.WorkWith(cfg)
	subject := h.Start(jobs.Chain(jobs.Batch(k.New(stepArgs{}), often.New(stepArgs{})).AllowFailures()))
	if got, want := outline(h.AwaitFlow(subject, "done")), "main bad:failed(2) | once:failed(1)"; got != want {
		t.Errorf("stages %q, want %q", got, want)
	}
}

func TestMaxTimeoutBoundsWhatAKindSays(t *testing.T) {
	h := jobstest.New(t)
	k := step("stuck")
	k.Tries, k.Timeout = 1, time.Hour
	var left atomic.Int64
	jobs.Handle(h.Registry, k, func(ctx context.Context, _ *jobs.Attempt, _ stepArgs) error {
		end, _ := ctx.Deadline()
		left.Store(int64(time.Until(end)))
		<-ctx.Done()
		return ctx.Err()
	})
	cfg := jobstest.Config("q")
	cfg.MaxTimeout = 200 * time.Millisecond
	h.WorkWith(cfg)
	v := h.AwaitFlow(h.Start(jobs.Chain(k.New(stepArgs{}))), "failed")
	if got := v.Stages[0].Jobs[0].LastError; got != "context deadline exceeded" || time.Duration(left.Load()) > cfg.MaxTimeout {
		t.Errorf("last error %q, with %s left", got, time.Duration(left.Load()))
	}
}

func TestARestartEndsTheWorkersThatRun(t *testing.T) {
	h, d := jobstest.New(t), &diary{}
	a := d.record(h, "a")
	cfg := jobstest.Config("q")
	for round := range 2 {
		asked := make(chan struct{})
		go func() {
			defer close(asked)
			h.Await("it works", func() bool { return h.Events()["a done"] == round+1 })
			if err := h.System.Admin().Restart(context.Background()); err != nil {
				t.Error(err)
			}
		}()
		h.Dispatch(a.In(500 * time.Millisecond)) // in the second round, the first restart is old by then
		ends(t, h, cfg)
		<-asked
	}
}

func TestPruneForgetsOldFailures(t *testing.T) {
	h := jobstest.New(t)
	bad := handle(h, "bad", func(context.Context, *jobs.Attempt) error { return jobs.Fail(context.Canceled) })
	prune := h.System.RegisterPrune(h.Registry, time.Hour, time.Hour).Job
	kept := func(want int) {
		t.Helper()
		failed, err := h.System.Admin().Failed(t.Context(), jobs.FailedFilter{})
		if err != nil || len(failed) != want {
			t.Fatalf("%d failed jobs, %v; want %d", len(failed), err, want)
		}
	}
	h.Dispatch(bad)
	w := h.System.Worker(h.Registry, jobstest.Config("q", "low"))
	drain := func() {
		t.Helper()
		h.Dispatch(prune(time.Now()))
		if _, err := w.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	drain()
	kept(1)
	err := h.DB.Tx(t.Context(), func(tx *db.Tx) error {
		return tx.Exec("UPDATE failed_jobs SET failed_at = ?", time.Now().Add(-2*time.Hour)).Error
	})
	if err != nil {
		t.Fatal(err)
	}
	drain()
	kept(0)
}
