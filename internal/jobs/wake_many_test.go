package jobs_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
)

// More subjects than a statement takes parameters, one of them twice.
func TestManySubjectsAreWoken(t *testing.T) {
	h := jobstest.NewSync(t)
	waits := handle(h, "waits", func(context.Context, *jobs.Attempt) error { return nil })
	first, last := h.Start(jobs.Chain(waits.In(time.Hour))), h.Start(jobs.Chain(waits.In(time.Hour)))
	subjects := []uuid.UUID{last}
	for range 40_000 {
		subjects = append(subjects, uuid.New())
	}
	subjects = slices.Concat(subjects, []uuid.UUID{first, last})
	if n, err := h.Client.Wake(t.Context(), subjects...); err != nil || n != 2 {
		t.Errorf("woke %d, %v; want 2", n, err)
	}
	if n := h.Drain(); n != 2 {
		t.Errorf("%d ran", n)
	}
}
