package jobstest

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/db/dbtest"
	"github.com/spotpool/spotpool/internal/jobs"
)

// NewSync returns a harness whose jobs run when Drain or Run is called, in the
// test's own goroutine, and whose Clock moves only when told to. It has no Redis,
// hence no workers.
func NewSync(t testing.TB) *Harness {
	t.Helper()
	h := newHarness(t, dbtest.Open(t))
	h.Clock = clock.NewFake(time.Now()) // ids tell the true time, and what is old is found by its id
	h.build(jobs.Options{Clock: h.Clock})
	return h
}

// Drain runs the jobs that are due, those too that they bring about, until none
// is, and returns how many attempts it made.
func (h *Harness) Drain() int {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Deadline)
	defer cancel()
	n, err := h.worker().Drain(ctx)
	if err != nil {
		h.t.Fatalf("after %d attempts: %v", n, err)
	}
	return n
}

// Run writes a job, makes its first attempt at once and returns what its handler
// said; jobs.Released, jobs.IsFail and jobs.IsSkip tell the answers apart. A job
// that is to be tried again stays in the queue.
func (h *Harness) Run(j jobs.Job) error {
	h.t.Helper()
	return h.worker().RunSync(context.Background(), j)
}

func (h *Harness) worker() *jobs.Worker { return h.System.Worker(h.Registry, jobs.WorkerConfig{}) }

// Server returns a client of a Redis of the test's own, for the limits and locks
// of a queue that has none.
func (h *Harness) Server() redis.UniversalClient {
	h.t.Helper()
	c := Redis(h.t).MakeRedisClient().(redis.UniversalClient)
	h.t.Cleanup(func() { _ = c.Close() })
	return c
}
