package jobs_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
)

// A list holds the outermost flows; those nested in them are shown with them and
// say where they are.
func TestNestedFlowsAreShownWithTheirOwn(t *testing.T) {
	h := jobstest.NewSync(t)
	ok := handle(h, "ok", func(context.Context, *jobs.Attempt) error { return nil })
	nest := jobs.Chain(jobs.Batch(jobs.Chain(jobs.Batch(jobs.Chain(ok.In(time.Hour)), ok)), ok))
	first, second := h.Start(nest), h.Start(jobs.Chain(ok.In(time.Hour)))
	h.Drain()
	listed := func(f jobs.FlowFilter, want ...uuid.UUID) {
		t.Helper()
		flows, err := h.System.Admin().Flows(t.Context(), f)
		if err != nil || len(flows) != len(want) {
			t.Fatalf("%d flows, %v; want %d", len(flows), err, len(want))
		}
		for i, v := range flows {
			if v.Subject.ID != want[i] || v.Around.Valid {
				t.Errorf("flow %d is of %s, in %v", i, v.Subject.ID, v.Around)
			}
		}
	}
	listed(jobs.FlowFilter{}, second, first)
	listed(jobs.FlowFilter{State: "running"}, second, first)
	listed(jobs.FlowFilter{Subject: first}, first)
	listed(jobs.FlowFilter{Limit: 1}, second)
	listed(jobs.FlowFilter{After: h.Flow(second).ID}, first)

	around, depth := uuid.NullUUID{}, 0
	for v := h.Flow(first); ; v = v.Stages[0].Flows[0] {
		alone, found, err := h.Client.Flow(t.Context(), v.ID)
		if err != nil || !found || v.Around != around || alone.Around != around {
			t.Fatalf("flow %s is in %v, by itself in %v, want %v; %v", v.ID, v.Around, alone.Around, around, err)
		}
		if depth++; len(v.Stages[0].Flows) == 0 {
			break
		}
		around = uuid.NullUUID{UUID: v.ID, Valid: true}
	}
	if depth != 3 {
		t.Errorf("%d flows in one another, want 3", depth)
	}
}
