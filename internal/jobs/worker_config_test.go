package jobs_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
)

// What a worker cannot do without is refused at its start, and said at once.
func TestIncompleteWorkersAreRefused(t *testing.T) {
	h := jobstest.NewSync(t)
	job := handle(h, "a", func(context.Context, *jobs.Attempt) error { return nil })
	says := func(change func(*jobs.WorkerConfig), want ...string) {
		t.Helper()
		cfg := jobstest.Config("q")
		change(&cfg)
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // one that is not refused ends
		err := h.System.Worker(h.Registry, cfg).Run(ctx)
		for _, part := range want {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("%v does not say %q", err, part)
			}
		}
	}
	says(func(c *jobs.WorkerConfig) { c.Queues = nil }, "no queues")
	says(func(c *jobs.WorkerConfig) { c.Queues = map[string]int{"q": 1, "low": 0} }, `"low" has the weight 0`)
	says(func(c *jobs.WorkerConfig) { c.Queues["q"] = -1 }, `"q" has the weight -1`)
	says(func(c *jobs.WorkerConfig) { c.Concurrency = 0 }, "Concurrency is 0")
	says(func(c *jobs.WorkerConfig) { c.PollInterval = 0 }, "PollInterval is 0s")
	says(func(c *jobs.WorkerConfig) { c.DelayedInterval = 0 }, "DelayedInterval is 0s")
	says(func(c *jobs.WorkerConfig) { c.SweepInterval = -time.Second }, "SweepInterval is -1s")
	says(func(c *jobs.WorkerConfig) { c.StopTimeout = 0 }, "StopTimeout is 0s")
	good := jobs.Periodic{Every: time.Hour, Job: jobs.Same(job)}
	says(func(c *jobs.WorkerConfig) { c.Periodic = []jobs.Periodic{good, {Job: jobs.Same(job)}} }, "number 2 of Periodic")
	says(func(c *jobs.WorkerConfig) { c.Periodic = []jobs.Periodic{{Every: time.Hour}, good} }, "number 1 of Periodic")
	says(func(c *jobs.WorkerConfig) { *c = jobs.WorkerConfig{} },
		"no queues", "Concurrency", "PollInterval", "DelayedInterval", "SweepInterval", "StopTimeout")
	says(func(*jobs.WorkerConfig) {}, "no Redis") // nothing else is wrong with it
}
