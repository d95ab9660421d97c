package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
)

// around returns middleware that says when it is entered and left.
func around(name string) jobs.Middleware {
	return func(next jobs.Handler) jobs.Handler {
		return func(ctx context.Context, a *jobs.Attempt) error {
			fmt.Println(name, "{")
			defer fmt.Println("}", name)
			return next(ctx, a)
		}
	}
}

// Middleware of all kinds goes around that of one kind; the first is the outermost.
func Example_middleware() {
	q, end := jobstest.Demo()
	defer end()

	q.Registry.Use(around("all kinds"))
	greet := kind[string]("greet")
	jobs.Handle(q.Registry, greet, func(_ context.Context, _ *jobs.Attempt, name string) error {
		fmt.Println("hello", name)
		return nil
	}, around("this kind"), around("this kind too"))
	q.Dispatch(greet.New("Ana"))
	q.Drain()
	// Output:
	// all kinds {
	// this kind {
	// this kind too {
	// hello Ana
	// } this kind too
	// } this kind
	// } all kinds
}

// A rate limit is shared by all workers. Who finds no room is released until
// there is some, and keeps its place among those who wait.
func Example_rateLimit() {
	q, end := jobstest.Demo()
	defer end()
	began := q.Clock.Now()

	limit := jobs.NewLimiter(q.Server(), q.Clock)
	text := kind[string]("text")
	jobs.Handle(q.Registry, text, func(_ context.Context, _ *jobs.Attempt, name string) error {
		fmt.Println(name, "after", q.Clock.Now().Sub(began))
		return nil
	}, jobs.RateLimit(limit, func(context.Context, string) ([]jobs.Window, error) {
		return []jobs.Window{{Key: "carrier", Max: 2, Per: 10 * time.Second}}, nil
	}))
	q.Dispatch(text.New("Ana"), text.New("Bo"), text.New("Cy"), text.New("Di"), text.New("Ed"))
	elapse(q, 30*time.Second)
	// Output:
	// Ana after 0s
	// Bo after 0s
	// Cy after 10s
	// Di after 10s
	// Ed after 20s
}

// What is worth doing now or not at all is skipped instead.
func Example_rateLimitOrSkip() {
	q, end := jobstest.Demo()
	defer end()

	limit := jobs.NewLimiter(q.Server(), q.Clock)
	push := kind[string]("push")
	jobs.Handle(q.Registry, push, func(_ context.Context, _ *jobs.Attempt, place string) error {
		fmt.Println("the car is at", place)
		return nil
	}, jobs.RateLimitOrSkip(limit, func(context.Context, string) ([]jobs.Window, error) {
		return []jobs.Window{{Key: "order:7", Max: 1, Per: 10 * time.Second}}, nil
	}))
	for _, place := range []string{"the bridge", "the square", "the station", "your door"} {
		q.Dispatch(push.New(place))
		elapse(q, 5*time.Second)
	}
	// Output:
	// the car is at the bridge
	// the car is at the station
}

// Of the jobs with the same key one runs at a time; the others wait a moment.
func Example_withoutOverlapping() {
	q, end := jobstest.Demo()
	defer end()

	type move struct{ Account, Name string }
	book := kind[move]("book")
	key := func(m move) string { return m.Account }
	jobs.Handle(q.Registry, book, func(_ context.Context, _ *jobs.Attempt, m move) error {
		fmt.Println(m.Name, "begins")
		if m.Name == "first" { // others come while it runs
			fmt.Println("second:", q.Run(book.New(move{"Ana", "second"})))
			fmt.Println("other:", q.Run(book.New(move{"Bo", "other"})))
		}
		fmt.Println(m.Name, "ends")
		return nil
	}, jobs.WithoutOverlapping(jobs.NewLocker(q.Server()), time.Minute, key))
	q.Dispatch(book.New(move{"Ana", "first"}))
	elapse(q, time.Second)
	// Output:
	// first begins
	// second: released for 250ms: another one with the same key runs
	// other begins
	// other ends
	// other: <nil>
	// first ends
	// second begins
	// second ends
}

// The lock of a worker that died expires.
func TestWithoutOverlappingExpires(t *testing.T) {
	t.Parallel()
	h := jobstest.New(t)
	k := step("book")
	jobs.Handle(h.Registry, k, func(context.Context, *jobs.Attempt, stepArgs) error { return nil },
		jobs.WithoutOverlapping(jobs.NewLocker(h.System.Redis()), time.Minute, func(args stepArgs) string { return args.Name }))
	// Its worker has the lock and dies, so that nobody renews it.
	dying := h.Redis.MakeRedisClient().(redis.UniversalClient)
	unlock, err := jobs.NewLocker(dying).Lock(t.Context(), "book:ana", 2*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	_ = dying.Close()
	t.Cleanup(unlock)
	h.Dispatch(k.New(stepArgs{"ana"}))
	h.Work("q")
	h.Await("it ran in the end", func() bool { return h.Events()["book done"] == 1 })
	if h.Events()["book released"] == 0 {
		t.Error("it did not wait for the lock")
	}
}

// A breaker opens after some errors in a row: jobs are released then, without an
// attempt, and what fails is left in peace.
func Example_throttleExceptions() {
	q, end := jobstest.Demo()
	defer end()

	pay := kind[int]("pay")
	pay.Backoff = jobs.Fixed(time.Second)
	gateway := jobs.NewBreaker(clock.System{}, "gateway", 2, time.Hour)
	jobs.Handle(q.Registry, pay, func(context.Context, *jobs.Attempt, int) error {
		return errors.New("gateway: 503")
	}, jobs.ThrottleExceptions(gateway))
	for order := range 3 {
		fmt.Println(q.Run(pay.New(order)))
	}
	// Output:
	// gateway: 503
	// gateway: 503
	// released for 1h0m0s: circuit breaker gateway is open
}

// After its pause a breaker lets one job try, and closes when that goes well.
func TestThrottleExceptionsTriesAgain(t *testing.T) {
	h := jobstest.New(t)
	k := step("pay")
	k.Tries = 100
	var calls atomic.Int32
	var mended atomic.Bool
	jobs.Handle(h.Registry, k, func(context.Context, *jobs.Attempt, stepArgs) error {
		calls.Add(1)
		if !mended.Load() {
			return errors.New("gateway: 503")
		}
		return nil
	}, jobs.ThrottleExceptions(jobs.NewBreaker(clock.System{}, "gateway", 2, 200*time.Millisecond)))
	h.Work("q")
	subject := h.Start(jobs.Chain(k.New(stepArgs{})))
	h.Await("the breaker is open", func() bool { return h.Events()["pay released"] > 0 })
	mended.Store(true)
	v := h.AwaitFlow(subject, "done")
	if got := v.Stages[0].Jobs[0].Attempts; got < 2 || calls.Load() != int32(got)+1 {
		t.Errorf("%d failed attempts and %d calls, want one call more", got, calls.Load())
	}
}

// Jobs of a batch or flow that was cancelled need no middleware: they are skipped
// by themselves; see the example of cancelling a batch. For other reasons there
// is SkipWhen.
func Example_skip() {
	q, end := jobstest.Demo()
	defer end()

	gone := map[int]bool{7: true}
	remind := kind[int]("remind")
	jobs.Handle(q.Registry, remind, func(_ context.Context, _ *jobs.Attempt, order int) error {
		fmt.Println("remind of order", order)
		return nil
	}, jobs.SkipWhen(func(_ context.Context, order int) (string, error) {
		if gone[order] {
			return "the order is cancelled", nil
		}
		return "", nil
	}))
	fmt.Println(q.Run(remind.New(7)))
	fmt.Println(q.Run(remind.New(8)))
	// Output:
	// skipped: the order is cancelled
	// remind of order 8
	// <nil>
}

// The lock of a worker that lives is renewed for as long as its handler runs.
func TestWithoutOverlappingRenewsItsLock(t *testing.T) {
	t.Parallel()
	h := jobstest.New(t)
	rdb := h.System.Redis()
	unlock, err := jobs.NewLocker(rdb).Lock(t.Context(), "book:ana", 3*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	left := 3 * time.Second
	h.Await("it expires later than it did", func() bool {
		before := left
		left = rdb.PTTL(t.Context(), "spotpool:lock:book:ana").Val()
		return left > before
	})
	unlock()
	if n := rdb.Exists(t.Context(), "spotpool:lock:book:ana").Val(); n != 0 {
		t.Error("the lock is still there after its end")
	}
}
