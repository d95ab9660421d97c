package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/fault"
	"github.com/spotpool/spotpool/internal/jobs"
)

var errGateway = errors.New("gateway: 503")

// breaks has a breaker watch a handler and returns what runs it once, with what
// the handler says, and reports whether the breaker let it.
func breaks(errorsInARow int, pause time.Duration) (run func(ctx context.Context, says error) (ran bool)) {
	around := jobs.ThrottleExceptions(jobs.NewBreaker(clock.System{}, "gateway", errorsInARow, pause))
	return func(ctx context.Context, says error) (ran bool) {
		_ = around(func(context.Context, *jobs.Attempt) error {
			ran = true
			return says
		})(ctx, nil)
		return ran
	}
}

// What says nothing about the gateway does not interrupt a row of errors, and
// does not make one.
func TestABreakerCountsOnlyAnswers(t *testing.T) {
	broken, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		ctx   context.Context
		says  error
		opens bool // with an error before it and one after it, of two in a row
	}{
		"nothing wrong":                {t.Context(), nil, false},
		"a rule says no":               {t.Context(), fault.New(fault.Conflict, "declined", "no"), false},
		"a release":                    {t.Context(), jobs.Release(time.Second, "not yet"), true},
		"a skip":                       {t.Context(), jobs.Skip("too late"), true},
		"a cancel":                     {t.Context(), fmt.Errorf("hold: %w", context.Canceled), true},
		"an error of a run broken off": {broken, errGateway, true},
		"a run that came too late":     {t.Context(), jobs.ErrSuperseded, true},
	} {
		run := breaks(2, time.Hour)
		run(t.Context(), errGateway)
		for range 3 {
			if !run(c.ctx, c.says) {
				t.Errorf("%s opens the breaker", name)
			}
		}
		run(t.Context(), errGateway)
		if open := !run(t.Context(), nil); open != c.opens {
			t.Errorf("%s between two errors: open %v, want %v", name, open, c.opens)
		}
	}
	for _, says := range []error{errGateway, fmt.Errorf("hold: %w", context.DeadlineExceeded), jobs.Fail(errGateway)} {
		run := breaks(1, time.Hour)
		run(t.Context(), says)
		if run(t.Context(), nil) {
			t.Errorf("%v does not open the breaker", says)
		}
	}
}

// After the pause a release is no trial: the breaker neither closes nor opens for it.
func TestAReleaseIsNoTrial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run := breaks(2, time.Minute)
		run(t.Context(), errGateway)
		run(t.Context(), errGateway)
		time.Sleep(time.Minute + time.Second) // on the clock of the bubble
		for range 2 {
			if !run(t.Context(), jobs.Release(time.Second, "not yet")) {
				t.Fatal("nothing goes ahead after the pause")
			}
		}
		if !run(t.Context(), errGateway) || run(t.Context(), nil) {
			t.Error("one error after the pause does not open the breaker again")
		}
		time.Sleep(time.Minute + time.Second)
		for range 2 {
			if !run(t.Context(), nil) {
				t.Error("it does not close when a trial goes well")
			}
		}
	})
}

func TestABreakerCountsAPanic(t *testing.T) {
	around := jobs.ThrottleExceptions(jobs.NewBreaker(clock.System{}, "gateway", 1, time.Hour))
	func() {
		defer func() { _ = recover() }()
		_ = around(func(context.Context, *jobs.Attempt) error { panic("a bug") })(t.Context(), nil)
	}()
	err := around(func(context.Context, *jobs.Attempt) error { return nil })(t.Context(), nil)
	if !jobs.IsRelease(err) {
		t.Errorf("after a panic it lets others go ahead: %v", err)
	}
}
