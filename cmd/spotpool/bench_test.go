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
	report(b, steps, "ms/step")

	const idle = 5 * time.Second
	before := count.Sent()
	<-time.After(idle)
	b.ReportMetric(float64(count.Sent()-before)/idle.Seconds(), "idle-requests/s")
}

// BenchmarkAcceptToConfirm measures, over HTTP on a server in a process of its
// own, how long an order takes from its acceptance to its confirmation when a
// trip suits it, one order at a time, by the server's own times.
func BenchmarkAcceptToConfirm(b *testing.B) {
	at := where(b)
	p := launch(b, append([]string{"serve"}, at...)...)
	rider := crowd(b, at, p.base, "rider", 1)[0]
	drivers := crowd(b, at, p.base, "driver", 1)
	var took []time.Duration
	for b.Loop() {
		offer(b, drivers[0], len(took))
		o, err := rider.PlaceOrder(b.Context(), wish(len(took)))
		if err != nil {
			b.Fatal(err)
		}
		await(b, "confirmed", jobstest.Deadline, func() (bool, string) {
			o, err = rider.Order(b.Context(), o.ID)
			return err == nil && o.Status == "confirmed", o.Status
		})
		took = append(took, o.ConfirmedAt.Sub(o.CreatedAt))
		if err := rider.CancelOrder(b.Context(), o.ID); err != nil {
			b.Fatal(err)
		}
	}
	report(b, took, "ms/order")
}

func report(b *testing.B, took []time.Duration, unit string) {
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, unit+"-p50")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, unit+"-p99")
}
