package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
)

var errBusy = errors.New("the line is busy")

// A job whose attempts end in an error is tried again until it is out of tries.
func Example_tries() {
	q, end := jobstest.Demo()
	defer end()

	call := kind[string]("call")
	call.Tries = 3
	jobs.Handle(q.Registry, call, func(_ context.Context, a *jobs.Attempt, name string) error {
		fmt.Println("attempt", a.Number, "to call", name)
		return errBusy
	})
	subject := runs(q, call.New("Ana"))
	elapse(q, time.Minute)
	fmt.Println(outline(q.Flow(subject)))
	// Output:
	// attempt 1 to call Ana
	// attempt 2 to call Ana
	// attempt 3 to call Ana
	// main call:failed(3)
}

// Releases use no attempt, and with a deadline there are as many as fit; errors
// may be bounded all the same.
func Example_maxExceptions() {
	q, end := jobstest.Demo()
	defer end()

	poll := kind[string]("poll")
	poll.MaxExceptions = 2
	answers := []error{jobs.Release(time.Second, "not ready"), errBusy, jobs.Release(time.Second, "not ready"), errBusy, nil}
	jobs.Handle(q.Registry, poll, func(context.Context, *jobs.Attempt, string) error {
		answer := answers[0]
		answers = answers[1:]
		fmt.Println(answer)
		return answer
	})
	subject := runs(q, poll.New("export").Until(q.Clock.Now().Add(time.Hour)))
	elapse(q, 2*time.Minute)
	fmt.Println(outline(q.Flow(subject)))
	// Output:
	// released for 1s: not ready
	// the line is busy
	// released for 1s: not ready
	// the line is busy
	// main poll:failed(2)
}

// A job with a deadline is tried until then, however often, and fails with
// ErrDeadline.
func Example_retryUntil() {
	q, end := jobstest.Demo()
	defer end()
	began := q.Clock.Now()

	call := kind[string]("call")
	call.Tries = 1 // does not count
	jobs.Handle(q.Registry, call, func(_ context.Context, a *jobs.Attempt, _ string) error {
		fmt.Println("attempt", a.Number, "after", q.Clock.Now().Sub(began))
		return errBusy
	})
	subject := runs(q, call.New("Ana").Until(began.Add(25*time.Second)))
	elapse(q, time.Minute)
	v := q.Flow(subject)
	fmt.Println("the flow has", v.State+":", v.Cause)
	// Output:
	// attempt 1 after 0s
	// attempt 2 after 10s
	// attempt 3 after 20s
	// the flow has failed: deadline_passed
}

// The wait before another attempt is always the same, or as a list says, or as
// any function says; Exponential is one.
func Example_backoff() {
	for _, way := range []struct {
		name    string
		backoff jobs.Backoff
	}{
		{"fixed", jobs.Fixed(5 * time.Second)},
		{"list", jobs.Steps(1*time.Second, 5*time.Second, 10*time.Second)},
		{"function", func(n int) time.Duration { return time.Duration(n*n) * time.Second }},
		{"exponential", jobs.Exponential(2*time.Second, 7*time.Second)},
	} {
		q, end := jobstest.Demo()
		began := q.Clock.Now()
		var attempts []string
		call := kind[string]("call")
		call.Tries, call.Backoff = 5, way.backoff
		jobs.Handle(q.Registry, call, func(context.Context, *jobs.Attempt, string) error {
			attempts = append(attempts, q.Clock.Now().Sub(began).String())
			return errBusy
		})
		q.Dispatch(call.New("Ana"))
		elapse(q, time.Minute)
		fmt.Println(way.name+":", strings.Join(attempts, " "))
		end()
	}
	// Output:
	// fixed: 0s 5s 10s 15s 20s
	// list: 0s 1s 6s 16s 26s
	// function: 0s 1s 5s 14s 30s
	// exponential: 0s 2s 6s 13s 20s
}

// An attempt's context is over when its time is. A handler that goes on all the
// same is left behind five seconds later.
func Example_timeout() {
	q, end := jobstest.Demo()
	defer end()

	call := kind[string]("call")
	call.Tries, call.Timeout = 1, 10*time.Millisecond
	jobs.Handle(q.Registry, call, func(ctx context.Context, _ *jobs.Attempt, _ string) error {
		<-ctx.Done() // nobody answers
		return ctx.Err()
	})
	v := q.Flow(runs(q, call.New("Ana")))
	fmt.Println(outline(v)+":", v.Stages[0].Jobs[0].LastError)
	// Output:
	// main call:failed(1): context deadline exceeded
}

// An attempt knows its number, which its handler may go by.
func Example_attempts() {
	q, end := jobstest.Demo()
	defer end()

	pay := kind[string]("pay")
	jobs.Handle(q.Registry, pay, func(_ context.Context, a *jobs.Attempt, _ string) error {
		if a.Number < 3 {
			fmt.Println("attempt", a.Number, "with the first card")
			return errors.New("declined")
		}
		fmt.Println("attempt", a.Number, "with the other card")
		return nil
	})
	q.Dispatch(pay.New("fare"))
	elapse(q, time.Minute)
	// Output:
	// attempt 1 with the first card
	// attempt 2 with the first card
	// attempt 3 with the other card
}

// A release puts the job back without calling that a failure.
func Example_release() {
	q, end := jobstest.Demo()
	defer end()
	began := q.Clock.Now()

	find := kind[string]("find_trip")
	find.Tries = 1
	jobs.Handle(q.Registry, find, func(_ context.Context, a *jobs.Attempt, _ string) error {
		fmt.Println("attempt", a.Number, "after", q.Clock.Now().Sub(began))
		if q.Clock.Now().Before(began.Add(time.Minute)) {
			return jobs.Release(30*time.Second, "no trip yet")
		}
		return nil
	})
	subject := runs(q, find.New("order"))
	elapse(q, time.Minute)
	fmt.Println(outline(q.Flow(subject)))
	// Output:
	// attempt 1 after 0s
	// attempt 1 after 30s
	// attempt 1 after 1m0s
	// main find_trip:done
}

// Fail gives up at once, whatever attempts are left.
func Example_fail() {
	q, end := jobstest.Demo()
	defer end()

	pay := kind[string]("pay")
	jobs.Handle(q.Registry, pay, func(_ context.Context, a *jobs.Attempt, _ string) error {
		fmt.Println("attempt", a.Number)
		return jobs.Fail(errors.New("the card was stolen"))
	})
	subject := runs(q, pay.New("fare"))
	elapse(q, time.Minute)
	fmt.Println(outline(q.Flow(subject)))
	// Output:
	// attempt 1
	// main pay:failed(1)
}

// Done commits an effect together with the fact that the job is done. When the
// effect fails, neither is recorded.
func Example_effect() {
	q, end := jobstest.Demo()
	defer end()

	book := kind[string]("book")
	jobs.Handle(q.Registry, book, func(ctx context.Context, a *jobs.Attempt, seat string) error {
		return a.Done(ctx, func(tx *db.Tx) error {
			if a.Number == 1 {
				return errors.New("the row is locked")
			}
			fmt.Println("attempt", a.Number, "books", seat)
			return q.Client.Dispatch(tx, says(q, "tell the driver"))
		})
	})
	q.Dispatch(book.New("seat 2"))
	elapse(q, time.Minute)
	// Output:
	// attempt 2 books seat 2
	// tell the driver
}

// A job's tags say what it is about. They stand in its log lines, its events and
// the list of failed jobs, which can be searched for them.
func Example_tags() {
	q, end := jobstest.Demo()
	defer end()

	pay := kind[int]("pay")
	pay.Tags = func(order int) []string { return []string{fmt.Sprint("order:", order), "money"} }
	jobs.Handle(q.Registry, pay, func(_ context.Context, a *jobs.Attempt, _ int) error {
		fmt.Println(a.Tags)
		return jobs.Fail(errors.New("declined"))
	})
	q.Dispatch(pay.New(7), pay.New(8))
	q.Drain()
	failed, _ := q.System.Admin().Failed(context.Background(), jobs.FailedFilter{Tag: "order:7"})
	fmt.Println(len(failed), failed[0].Tags, string(failed[0].Args))
	// Output:
	// [order:7 money]
	// [order:8 money]
	// 1 [order:7 money] 7
}

// Events tell what becomes of jobs.
func Example_events() {
	q, end := jobstest.Demo()
	defer end()

	var seen []string
	q.System.Observe(func(e jobs.Event) { seen = append(seen, fmt.Sprintf("%s %d", e.Result, e.Attempt)) })
	answers := []error{jobs.Release(time.Second, "not yet"), errBusy, jobs.Fail(errBusy)}
	call := does(q, "call", func(context.Context, *jobs.Attempt) error {
		answer := answers[0]
		answers = answers[1:]
		return answer
	})
	q.Dispatch(call)
	elapse(q, time.Minute)
	for pair := range slices.Chunk(seen[1:], 2) {
		fmt.Println(strings.Join(pair, ", "))
	}
	// Output:
	// call
	// call
	// call
	// started 1, released 1
	// started 1, retried 1
	// started 2, failed 2
}
