package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
)

// payments attaches jobs that fail until the gateway is mended, and dispatches some.
func payments(q *jobstest.Harness, orders ...int) (mend func()) {
	pay, broken := kind[int]("pay"), true
	pay.Tries = 1
	jobs.Handle(q.Registry, pay, func(_ context.Context, _ *jobs.Attempt, order int) error {
		if broken {
			return errors.New("gateway: 503")
		}
		fmt.Println("paid order", order)
		return nil
	})
	for _, order := range orders {
		q.Dispatch(pay.New(order))
	}
	q.Drain()
	return func() { broken = false }
}

// list prints the failed jobs, the youngest first.
func list(q *jobstest.Harness) []jobs.FailedJob {
	failed, err := q.System.Admin().Failed(context.Background(), jobs.FailedFilter{})
	if err != nil {
		panic(err)
	}
	for _, j := range failed {
		fmt.Printf("failed: %s %s, %s\n", j.Kind, j.Args, j.Error)
	}
	return failed
}

// What failed for good is written down, with its arguments, its error and where
// the error came from.
func Example_failedJobs() {
	q, end := jobstest.Demo()
	defer end()

	payments(q, 7, 8)
	list(q)
	// Output:
	// failed: pay 8, gateway: 503
	// failed: pay 7, gateway: 503
}

// A hook is called once for each job that failed for good, in the transaction
// that records it: for one kind, or for all.
func Example_failureHooks() {
	q, end := jobstest.Demo()
	defer end()

	pay := kind[int]("pay")
	jobs.Handle(q.Registry, pay, func(context.Context, *jobs.Attempt, int) error { return jobs.Fail(errors.New("declined")) })
	tell := kind[int]("tell")
	jobs.Handle(q.Registry, tell, func(_ context.Context, _ *jobs.Attempt, order int) error {
		fmt.Println("tell the rider of order", order)
		return nil
	})
	jobs.OnFailed(q.Registry, pay, func(tx *db.Tx, _ jobs.Failure, order int) error {
		return q.Client.Dispatch(tx, tell.New(order))
	})
	q.Registry.OnFailure(func(_ *db.Tx, f jobs.Failure) error {
		fmt.Println("alert:", f.Kind, f.Err)
		return nil
	})
	q.Dispatch(pay.New(7), fails(q, "another job"))
	q.Drain()
	// Output:
	// alert: pay declined
	// another job
	// alert: another job it went wrong
	// tell the rider of order 7
}

// A failed job is taken up again with fresh attempts, and with it the flow that
// it stopped.
func Example_retryFailed() {
	q, end := jobstest.Demo()
	defer end()
	ctx, admin := context.Background(), q.System.Admin()

	mend := payments(q, 7, 8, 9)
	mend()
	failed := list(q)
	_ = admin.Retry(ctx, failed[2].ID)
	q.Drain()
	retried, refused, _ := admin.RetryAll(ctx, jobs.FailedFilter{Kind: "pay"})
	fmt.Println(retried, "taken up again,", refused, "refused")
	q.Drain()
	fmt.Println(len(list(q)), "left")
	// Output:
	// failed: pay 9, gateway: 503
	// failed: pay 8, gateway: 503
	// failed: pay 7, gateway: 503
	// paid order 7
	// 2 taken up again, 0 refused
	// paid order 8
	// paid order 9
	// 0 left
}

// A flow that a failure stopped goes on from there when the job is retried.
func Example_retryFailedFlow() {
	q, end := jobstest.Demo()
	defer end()

	tries := 0
	hold := does(q, "hold_fare", func(context.Context, *jobs.Attempt) error {
		if tries++; tries == 1 {
			return jobs.Fail(errors.New("gateway: 503"))
		}
		return nil
	})
	subject := runs(q, says(q, "find_trip"), hold, says(q, "confirm"))
	fmt.Println(outline(q.Flow(subject)))
	_ = q.System.Admin().Retry(context.Background(), list(q)[0].ID)
	q.Drain()
	fmt.Println(outline(q.Flow(subject)))
	// Output:
	// find_trip
	// hold_fare
	// main find_trip:done; main hold_fare:failed(1); main confirm:skipped
	// failed: hold_fare {}, gateway: 503
	// hold_fare
	// confirm
	// main find_trip:done; main hold_fare:done; main confirm:done
}

// Forget deletes the records of some failed jobs, Flush those of all that failed
// before a time.
func Example_forgetAndFlush() {
	q, end := jobstest.Demo()
	defer end()
	ctx, admin := context.Background(), q.System.Admin()

	payments(q, 7, 8, 9)
	failed := list(q)
	n, _ := admin.Forget(ctx, failed[1].ID)
	fmt.Println(n, "forgotten")
	list(q)
	n, _ = admin.Flush(ctx, q.Clock.Now().Add(time.Second))
	fmt.Println(n, "flushed,", len(list(q)), "left")
	// Output:
	// failed: pay 9, gateway: 503
	// failed: pay 8, gateway: 503
	// failed: pay 7, gateway: 503
	// 1 forgotten
	// failed: pay 9, gateway: 503
	// failed: pay 7, gateway: 503
	// 2 flushed, 0 left
}

// The periodic job of RegisterPrune deletes what ended, and what failed, longer
// ago than they are to be kept.
func Example_pruneFailed() {
	q, end := jobstest.Demo()
	defer end()

	const day = 24 * time.Hour
	prune := q.System.RegisterPrune(q.Registry, 7*day, 30*day)
	payments(q, 7)
	for _, days := range []time.Duration{29, 2} {
		q.Clock.Advance(days * day)
		fmt.Println(q.Run(prune.Job(q.Clock.Now())), len(list(q)), "left")
	}
	// Output:
	// failed: pay 7, gateway: 503
	// <nil> 1 left
	// <nil> 0 left
}
