package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
)

// The examples run a queue without Redis under a clock that stands still until
// it is moved; see jobstest.NewSync. What they share is here.

// kind says what most kinds of the examples say.
func kind[A any](name string) jobs.Kind[A] {
	return jobs.Kind[A]{Name: name, Queue: "default", Tries: 3, Backoff: jobs.Fixed(10 * time.Second), Timeout: time.Minute}
}

// says returns a job that prints its name.
func says(q *jobstest.Harness, name string) jobs.Job {
	return does(q, name, func(context.Context, *jobs.Attempt) error { return nil })
}

// fails returns a job that prints its name and fails at once.
func fails(q *jobstest.Harness, name string) jobs.Job {
	return does(q, name, func(context.Context, *jobs.Attempt) error { return jobs.Fail(errors.New("it went wrong")) })
}

// does returns a job that prints its name and then does something.
func does(q *jobstest.Harness, name string, run func(ctx context.Context, a *jobs.Attempt) error) jobs.Job {
	k := kind[struct{}](name)
	jobs.Handle(q.Registry, k, func(ctx context.Context, a *jobs.Attempt, _ struct{}) error {
		fmt.Println(name)
		return run(ctx, a)
	})
	return k.New(struct{}{})
}

// elapse lets time go by, second by second, and runs what comes due meanwhile.
func elapse(q *jobstest.Harness, d time.Duration) {
	q.Drain()
	for range d / time.Second {
		q.Clock.Advance(time.Second)
		q.Drain()
	}
}

// runs starts the stages as a flow, runs what is due and returns the flow's subject.
func runs(q *jobstest.Harness, stages ...jobs.Stage) uuid.UUID {
	subject := q.Start(jobs.Chain(stages...))
	q.Drain()
	return subject
}
