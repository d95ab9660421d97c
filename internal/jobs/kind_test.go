package jobs_test

import (
	"context"
	"testing"
	"time"

	"github.com/spotpool/spotpool/internal/jobs"
)

func TestClashingAndIncompleteKindsAreRefused(t *testing.T) {
	ok := step("order:cancel")
	for name, k := range map[string]jobs.Kind[stepArgs]{
		"prefix of another": step("order:cancel_fee"), "the same": step("order:cancel"), "a prefix": step("order"),
		"no queue":   {Name: "x", Tries: 1, Backoff: jobs.Fixed(1), Timeout: 1},
		"no tries":   {Name: "x", Queue: "q", Backoff: jobs.Fixed(1), Timeout: 1},
		"no backoff": {Name: "x", Queue: "q", Tries: 1, Timeout: 1},
		"no timeout": {Name: "x", Queue: "q", Tries: 1, Backoff: jobs.Fixed(1)},
	} {
		r := jobs.NewRegistry()
		run := func(context.Context, *jobs.Attempt, stepArgs) error { return nil }
		jobs.Handle(r, ok, run)
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: not refused", name)
				}
			}()
			jobs.Handle(r, k, run)
		}()
	}
}

func TestBackoff(t *testing.T) {
	for _, c := range []struct {
		name string
		b    jobs.Backoff
		want []time.Duration
	}{
		{"fixed", jobs.Fixed(3), []time.Duration{3, 3, 3}},
		{"steps", jobs.Steps(1, 5, 9), []time.Duration{1, 5, 9, 9}},
		{"exponential", jobs.Exponential(2, 9), []time.Duration{2, 4, 8, 9, 9}},
	} {
		for i, want := range c.want {
			if got := c.b(i + 1); got != want {
				t.Errorf("%s after attempt %d: %d, want %d", c.name, i+1, got, want)
			}
		}
	}
	if got := jobs.Exponential(time.Second, time.Hour)(64); got != time.Hour {
		t.Errorf("after 64 attempts %s", got)
	}
}
