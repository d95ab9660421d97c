package jobs_test

import (
	"context"
	"testing"

	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
)

// A job that is put into Redis while a worker of the same process waits is taken
// for it in the same call: nobody is told that there is work.
func TestAWorkerThatWaitsIsHandedItsJobs(t *testing.T) {
	h := jobstest.New(t)
	job := handle(h, "a", func(context.Context, *jobs.Attempt) error { return nil })
	work := h.System.Redis().Subscribe(t.Context(), "spotpool:work")
	defer func() { _ = work.Close() }()
	if _, err := work.Receive(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.Work("q")
	h.Await("a chain runs unannounced", func() bool { // sooner or later the worker waits before each
		h.AwaitFlow(h.Start(jobs.Chain(job, job, job)), "done")
		if err := h.System.Redis().Publish(t.Context(), "spotpool:work", "end").Err(); err != nil {
			t.Fatal(err)
		}
		for told := 0; ; told++ {
			if m := <-work.Channel(); m.Payload == "end" {
				return told == 0
			}
		}
	})
	assertAudit(t, h)
}

// What is handed over heeds a pause, like what is taken.
func TestAPausedQueueHandsNothingOver(t *testing.T) {
	h := jobstest.New(t)
	job := handle(h, "a", func(context.Context, *jobs.Attempt) error { return nil })
	h.Work("q")
	h.AwaitFlow(h.Start(jobs.Chain(job)), "done")
	if err := h.System.Admin().Pause(t.Context(), "q"); err != nil {
		t.Fatal(err)
	}
	subject := h.Start(jobs.Chain(job))
	h.Await("the job waits in Redis", func() bool {
		return h.System.Redis().LLen(t.Context(), "asynq:{q}:pending").Val() == 1
	})
	if n := h.Events()["a started"]; n != 1 {
		t.Errorf("%d runs, want that before the pause", n)
	}
	if _, err := h.System.Admin().Continue(t.Context(), "q"); err != nil {
		t.Fatal(err)
	}
	h.AwaitFlow(subject, "done")
}
