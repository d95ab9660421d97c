package order

import (
	"testing"

	"github.com/spotpool/spotpool/internal/jobs"
)

// What an operator retries of an order that was given up takes no money.
func TestARetriedHoldOfACancelledOrderHoldsNothing(t *testing.T) {
	w := newWorld(t)
	w.offered(1)
	w.gateway.declines.Store(true)
	o := w.placed(w.person(), aWish())
	w.run()
	w.h.AwaitFlow(o.ID, "failed")
	w.settled()
	w.gateway.declines.Store(false)
	retried, _, err := w.h.System.Admin().RetryAll(t.Context(), jobs.FailedFilter{Kind: "pay:hold"})
	if retried != 1 || err != nil {
		t.Fatal(retried, err)
	}
	w.h.Await("it has failed again", func() bool { return w.h.Events()["pay:hold failed"] == 2 })
	w.settled()
	if n := w.gateway.holds.Load(); n != 0 {
		t.Errorf("%d holds for an order that is cancelled", n)
	}
	w.expect(o.ID, "payment_declined", "none", Matching, Matched, Cancelled)
	w.audited()
}
