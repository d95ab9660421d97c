package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/fault"
)

// RateLimit releases a job until the windows that its arguments name have room.
func RateLimit[A any](l *Limiter, windows func(ctx context.Context, args A) ([]Window, error)) Middleware {
	return limited(l, windows, func(wait time.Duration) error { return Release(wait, "rate limit") })
}

// RateLimitOrSkip ends a job as skipped when the windows that its arguments name
// have no room: for what is worth doing now or not at all. It claims no room of
// later times.
func RateLimitOrSkip[A any](l *Limiter, windows func(ctx context.Context, args A) ([]Window, error)) Middleware {
	return limited(l.withoutPromises(), windows, func(time.Duration) error { return Skip("rate limit") })
}

func limited[A any](l *Limiter, windows func(ctx context.Context, args A) ([]Window, error), full func(wait time.Duration) error) Middleware {
	return func(next Handler) Handler {
		return func(ctx context.Context, a *Attempt) error {
			args, err := decode[A](a.args)
			if err != nil {
				return err
			}
			ws, err := windows(ctx, args)
			if err != nil {
				return err
			}
			// A further attempt is a further run.
			wait, err := l.Reserve(ctx, fmt.Sprintf("%s:%d", a.JobID, a.Number), ws...)
			if err != nil {
				return Release(time.Second, err.Error())
			}
			if wait > 0 {
				return full(wait)
			}
			return next(ctx, a)
		}
	}
}

// WithoutOverlapping lets only one job with the same key run at a time; the
// others are released for a moment and try again. The lock is renewed while the
// handler runs and expires after expiry when its worker dies. Redis may lose it,
// so what must not happen twice still needs the database's own guard.
func WithoutOverlapping[A any](l *Locker, expiry time.Duration, key func(args A) string) Middleware {
	return func(next Handler) Handler {
		return func(ctx context.Context, a *Attempt) error {
			args, err := decode[A](a.args)
			if err != nil {
				return err
			}
			unlock, err := l.Lock(ctx, a.Kind+":"+key(args), expiry)
			if errors.Is(err, ErrLocked) {
				return Release(lockRetry, "another one with the same key runs")
			}
			if err != nil {
				return Release(time.Second, err.Error())
			}
			defer unlock()
			return next(ctx, a)
		}
	}
}

// lockRetry is how long a job waits before it tries a lock again.
const lockRetry = 250 * time.Millisecond

// Breaker keeps jobs from calling something that fails again and again: after
// the given number of errors in a row it is open, and jobs are released, without
// an attempt, until the pause is over; then one goes ahead to try. Each process
// has its own. It is safe for concurrent use, and kinds may share it.
type Breaker struct {
	gate  *gobreaker.TwoStepCircuitBreaker[any]
	pause time.Duration
}

// NewBreaker returns a closed breaker, whose pause is one of the clock's.
func NewBreaker(c clock.Clock, name string, errorsInARow int, pause time.Duration) *Breaker {
	return &Breaker{gobreaker.NewTwoStepCircuitBreaker[any](gobreaker.Settings{
		Name: name, MaxRequests: 1, Timeout: clock.Wall(c, pause),
		ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= uint32(errorsInARow) },
		IsExcluded:  saysNothing,
	}), pause}
}

// ThrottleExceptions has a breaker count the errors of a kind's jobs and hold
// them back while it is open; Breaker.Call says which errors count.
func ThrottleExceptions(b *Breaker) Middleware {
	return func(next Handler) Handler {
		return func(ctx context.Context, a *Attempt) error {
			_, err := b.Call(ctx, func() error { return next(ctx, a) })
			return err
		}
	}
}

// Call runs fn, counts its error and returns it. While the breaker is open it does
// not run fn: ran is false then, and err a release until the pause is over.
//
// Only errors that nobody foresaw count, not a fault by which a rule says no. A
// release, a skip and a run that was broken off say nothing about what is called:
// they count neither as an error nor as a success.
func (b *Breaker) Call(ctx context.Context, fn func() error) (ran bool, err error) {
	done, err := b.gate.Allow()
	if err != nil {
		return false, Release(b.pause, "circuit breaker "+b.gate.Name()+" is open")
	}
	said := errors.New("panic")
	defer func() { done(said) }() // also when fn panics
	err = fn()
	said = unforeseen(err)
	if said != nil && errors.Is(ctx.Err(), context.Canceled) {
		said = ctx.Err()
	}
	return true, err
}

// unforeseen returns err unless it is a fault by which a rule says no: that is an
// answer, as good as success.
func unforeseen(err error) error {
	if kind := fault.KindOf(err); kind != fault.Internal && kind != fault.Unavailable {
		return nil
	}
	return err
}

// saysNothing reports whether what a handler said tells nothing about what it calls.
func saysNothing(err error) bool {
	return IsRelease(err) || IsSkip(err) || errors.Is(err, context.Canceled) || errors.Is(err, ErrSuperseded)
}

// SkipWhen ends a job as skipped when fn gives a reason. Jobs whose batch or
// flow was cancelled need no such middleware: they are never begun.
func SkipWhen[A any](fn func(ctx context.Context, args A) (why string, err error)) Middleware {
	return func(next Handler) Handler {
		return func(ctx context.Context, a *Attempt) error {
			args, err := decode[A](a.args)
			if err != nil {
				return err
			}
			why, err := fn(ctx, args)
			if err != nil {
				return err
			}
			if why != "" {
				return Skip(why)
			}
			return next(ctx, a)
		}
	}
}
