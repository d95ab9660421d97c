package main

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/spotpool/spotpool/internal/config"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
)

// BenchmarkIdleChainStep measures how long a step of a chain takes on an
// otherwise idle worker with the default settings, from the commit of one job
// to the commit of the next, and how often that worker asks Redis when there is
// nothing to do. Both follow from the poll interval.
func BenchmarkIdleChainStep(b *testing.B) {
	s, err := config.Load(pflag.NewFlagSet("", pflag.ContinueOnError), func(string) (string, bool) { return "", false })
	if err != nil {
		b.Fatal(err)
	}
	weights, err := s.QueueWeights()
	if err != nil {
		b.Fatal(err)
	}
	h := jobstest.New(b)
	count := jobstest.Count(h.System.Redis())
	ended := make(chan time.Time, 16)
	k := jobs.Kind[struct{}]{Name: "bench:step", Queue: "orders", Tries: 1, Backoff: jobs.Fixed(time.Second), Timeout: time.Minute}
	jobs.Handle(h.Registry, k, func(ctx context.Context, a *jobs.Attempt, _ struct{}) error {
		err := a.Done(ctx, nil)
		ended <- time.Now()
		return err
	})
	h.WorkWith(jobs.WorkerConfig{
		Queues: weights, Concurrency: s.Concurrency, PollInterval: s.PollInterval, DelayedInterval: s.DelayedInterval,
		SweepInterval: s.SweepInterval, StopTimeout: s.StopTimeout,
	})
	const stages = 11
	chain := slices.Repeat([]jobs.Stage{k.New(struct{}{})}, stages)
	var steps []time.Duration
	for b.Loop() {
		h.Start(jobs.Chain(chain...))
		last := <-ended
		for range stages - 1 {
			at := <-ended
			steps = append(steps, at.Sub(last))
			last = at
		}
	}
	slices.Sort(steps)
	b.ReportMetric(float64(steps[len(steps)/2].Microseconds())/1000, "ms/step-p50")
	b.ReportMetric(float64(steps[len(steps)*99/100].Microseconds())/1000, "ms/step-p99")

	const idle = 5 * time.Second
	before := count.Sent()
	<-time.After(idle)
	b.ReportMetric(float64(count.Sent()-before)/idle.Seconds(), "idle-requests/s")
}
