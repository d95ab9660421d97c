package notify

import (
	"context"
	"testing"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/fault"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
)

// theTrip is the one that the ride is on.
var theTrip = uuid.New()

func (w *world) Departure(_ context.Context, trip uuid.UUID) (Departure, error) {
	if trip != theTrip {
		return Departure{}, fault.New(fault.NotFound, "trip_not_found", "no such trip")
	}
	at := w.leave
	if at.IsZero() {
		at = w.ride.PickupAt
	}
	return Departure{DriverID: w.ride.DriverID, At: at, Origin: w.ride.Origin, Dest: w.ride.Dest}, nil
}

// The driver gets one notice and one SMS, however often the trip is called off.
func TestADriverIsToldThatTheTripWasCalledOff(t *testing.T) {
	w := newWorld(t)
	w.run(CancelledTrip(theTrip), CancelledTrip(theTrip), CancelledTrip(uuid.New()))
	found, err := w.Inbox(t.Context(), w.ride.DriverID, uuid.Nil, 10)
	if err != nil || len(found) != 1 {
		t.Fatalf("inbox %+v, %v", found, err)
	}
	want := "Your trip from A to B at 09:00 was called off by an operator. Please do not set out."
	if n := found[0]; n.Text != want || n.Event != TripCancelled || n.OrderID.Valid {
		t.Errorf("got %+v, want %q", n, want)
	}
	w.queue.Await("an SMS", func() bool { return len(w.sent.to(w.ride.DriverID)) == 1 })
	jobstest.AssertKindCount(t, w.queue, smsKind.Name, 1)
}
