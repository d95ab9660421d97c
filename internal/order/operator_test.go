package order

import (
	"testing"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/notify"
)

// What an operator calls off says so, and whom it concerns is told.
func TestAnOperatorCancelsAnOrder(t *testing.T) {
	w := newWorld(t)
	o, ride := w.confirmed()
	if _, err := w.cancel(o.ID, uuid.Nil); err != nil {
		t.Fatal(err)
	}
	again := w.cancelled(o) // the rider comes too late to have done it
	w.h.AwaitFlow(o.ID, "cancelled")
	w.settled()
	w.expect(o.ID, ReasonOperator, "voided", Matching, Matched, Confirmed, Cancelled)
	if again.Reason != ReasonOperator {
		t.Errorf("the rider sees the reason %q", again.Reason)
	}
	w.told("rider", o.RiderID, notify.Cancelled, notify.Matched)
	w.told("driver", ride.DriverID, notify.Cancelled, notify.Matched)
	w.audited()
}

func TestAnOperatorCancelsATrip(t *testing.T) {
	w := newWorld(t)
	o, ride := w.confirmed()
	own := w.offered(2)
	w.tripCancelled(own)
	w.offered(1)
	if _, err := w.cancelTrip(ride.ID, uuid.Nil); err != nil {
		t.Fatal(err)
	}
	w.h.Await("the order has another trip", func() bool { return w.get(o.ID).Rematches == 1 && w.get(o.ID).Status == Confirmed })
	w.settled()
	w.told("driver", ride.DriverID, notify.Matched, notify.TripCancelled)
	w.told("driver who did it alone", own.DriverID)
	notices, err := w.notices.Inbox(t.Context(), ride.DriverID, uuid.Nil, 10)
	if want := "Your trip from a place to a place at 12:10 was called off by an operator. Please do not set out."; err != nil || notices[0].Text != want {
		t.Errorf("the driver reads %+v, %v; want %q", notices, err, want)
	}
}
