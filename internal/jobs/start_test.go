package jobs_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
)

// Flows that are started at the same time are each started once, and one that
// cannot be written keeps no other from being started.
func TestFlowsThatAreStartedTogether(t *testing.T) {
	h := jobstest.New(t)
	job := handle(h, "a", func(context.Context, *jobs.Attempt) error { return nil })
	kind := strings.Repeat("x", 1000) // more than its column holds on MySQL
	const flows = 40
	var wg sync.WaitGroup
	subjects := make([]uuid.UUID, flows)
	for i := range subjects {
		wg.Go(func() {
			subject := jobs.Subject{Kind: "test", ID: uuid.Must(uuid.NewV7())}
			if i == flows/2 {
				_, _ = h.Client.StartNow(t.Context(), jobs.Subject{Kind: kind, ID: subject.ID}, jobs.Chain(job))
				return
			}
			if id, err := h.Client.StartNow(t.Context(), subject, jobs.Chain(job, job)); err != nil || id == uuid.Nil {
				t.Errorf("flow %d: %v", i, err)
			}
			subjects[i] = subject.ID
		})
	}
	wg.Wait()
	h.Work("q")
	for i, subject := range subjects {
		if i == flows/2 {
			continue
		}
		if got, want := outline(h.AwaitFlow(subject, "done")), "main a:done; main a:done"; got != want {
			t.Errorf("flow %d: %q, want %q", i, got, want)
		}
	}
	assertAudit(t, h)
}

func TestAFlowThatCannotBeStarted(t *testing.T) {
	h := jobstest.NewSync(t)
	subject := jobs.Subject{Kind: "test", ID: uuid.Must(uuid.NewV7())}
	if _, err := h.Client.StartNow(t.Context(), subject, jobs.Chain()); err == nil {
		t.Error("a flow without stages was started")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	job := handle(h, "a", func(context.Context, *jobs.Attempt) error { return nil })
	for range 100 { // the answer and the end of ctx race
		if _, err := h.Client.StartNow(ctx, subject, jobs.Chain(job)); errors.Is(err, context.Canceled) {
			return
		}
	}
	t.Error("the end of its context does not end StartNow")
}
