package order

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/notify"
)

// stuckTrips are trips that no order can be taken off until they are mended.
type stuckTrips struct {
	Trips
	mended atomic.Bool
}

func (s *stuckTrips) RemoveOrder(tx *db.Tx, tripID, orderID uuid.UUID) (bool, error) {
	if !s.mended.Load() {
		return false, jobs.Fail(errors.New("the plan cannot be read"))
	}
	return s.Trips.RemoveOrder(tx, tripID, orderID)
}

// An order that cannot be undone keeps nobody's money. Once the cause is mended,
// the failed job is taken up again and does the rest.
func TestMoneyIsReleasedWhenAnOrderCannotBeUndone(t *testing.T) {
	w := newWorld(t)
	stuck := &stuckTrips{Trips: w.trips}
	w.Service.trips = stuck
	o, ride := w.confirmed()
	w.cancelled(o)
	flow := w.h.AwaitFlow(o.ID, "cancelled")
	w.settled()
	w.expect(o.ID, ReasonRider, "voided", Matching, Matched, Confirmed, Cancelled)
	if lines, err := w.SeatsAgree(t.Context()); err != nil || len(lines) != 1 || !strings.Contains(lines[0], o.ID.String()) {
		t.Errorf("the audit says %q, %v; want that the order has seats still", lines, err)
	}

	stuck.mended.Store(true)
	failed := flow.Stages[len(flow.Stages)-1].Jobs[0]
	if failed.Kind != "order:give_up" || failed.State != "failed" {
		t.Fatalf("failed is %+v", failed)
	}
	if err := w.h.System.Admin().Retry(t.Context(), failed.ID); err != nil {
		t.Fatal(err)
	}
	w.h.Await("the seat is free", func() bool { return w.seatsLeft(ride) == 1 })
	w.settled()
	w.told("rider", o.RiderID, notify.Cancelled, notify.Matched)
	if n := w.gateway.voids.Load(); n != 1 {
		t.Errorf("the gateway was asked %d times to release the money", n)
	}
	w.audited()
}
