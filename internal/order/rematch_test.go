package order

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
	"github.com/spotpool/spotpool/internal/notify"
	"github.com/spotpool/spotpool/internal/trip"
)

func (w *world) cancelTrip(id, by uuid.UUID) (t trip.Trip, err error) {
	err = w.h.DB.Tx(w.t.Context(), func(tx *db.Tx) (err error) {
		t, err = w.CancelTrip(tx, id, by)
		return err
	})
	return t, err
}

// tripCancelled is a trip that its driver may call off, and does.
func (w *world) tripCancelled(t trip.Trip) {
	w.t.Helper()
	if _, err := w.cancelTrip(t.ID, t.DriverID); err != nil {
		w.t.Fatal(err)
	}
}

// The trip of two orders is called off, and then that of one once more: each time
// they find another, and their fares stay held all the while.
func TestOrdersOfACancelledTripFindAnother(t *testing.T) {
	w := newWorld(t)
	first := w.offered(4)
	w.run()
	var orders []Order
	for range 2 {
		o := w.placed(w.person(), aWish())
		w.h.AwaitFlow(o.ID, "done")
		orders = append(orders, o)
	}
	w.settled()
	w.clock.Advance(2 * time.Minute)
	w.tripCancelled(first)
	w.h.Await("both look for another trip", func() bool {
		return w.get(orders[0].ID).Status == Matching && w.get(orders[1].ID).Status == Matching
	})
	for _, o := range orders {
		now := w.get(o.ID)
		if now.TripID.Valid || now.PickupAt != nil || now.DropoffAt != nil || now.MatchedAt != nil || now.ConfirmedAt != nil ||
			now.Reason != ReasonTrip || now.Rematches != 1 || !now.MatchUntil.Equal(at(7)) || w.payment(o.ID) != "held" {
			t.Errorf("looks for another trip as %+v, %s", now, w.payment(o.ID))
		}
	}
	w.audited()

	second, third := w.offered(1), w.offered(1)
	for _, o := range orders {
		w.awaitStatus(o.ID, Confirmed)
	}
	w.settled()
	on := w.get(orders[0].ID).TripID.UUID
	if on != second.ID && on != third.ID {
		t.Fatalf("on trip %s", on)
	}
	w.audited()
	fourth := w.offered(1)
	again, err := w.cancelTrip(on, uuid.Nil) // by an operator
	if err != nil || again.Status != trip.Cancelled {
		t.Fatal(again, err)
	}
	w.h.Await("the fourth trip", func() bool {
		o := w.get(orders[0].ID)
		return o.TripID.UUID == fourth.ID && o.Status == Confirmed
	})
	w.settled()
	w.audited()

	lost := []Status{Matching, Matched, Confirmed}
	w.expect(orders[1].ID, "", "held", slices.Concat(lost, lost)...)
	w.expect(orders[0].ID, "", "held", slices.Concat(lost, lost, lost)...)
	w.told("second rider", orders[1].RiderID, notify.Matched, notify.Matched, notify.Rematching)
	w.told("first rider", orders[0].RiderID, notify.Joined, notify.Matched, notify.Matched, notify.Matched, notify.Rematching, notify.Rematching)
	w.told("fourth driver", fourth.DriverID, notify.Matched)
	if n := w.gateway.holds.Load(); n != 2 {
		t.Errorf("%d holds at the gateway, want one for each order", n)
	}
	if n := w.h.Events()["order:rematch done"]; n != 3 {
		t.Errorf("%d rematches, want 3", n)
	}
	if n, times, rode, err := w.Rematched(t.Context()); n != 2 || times != 3 || rode != 0 || err != nil {
		t.Errorf("%d orders have lost a trip, %d times, and %d rode: %v", n, times, rode, err)
	}
	w.exec("UPDATE orders SET status = 'completed' WHERE id = ?", orders[0].ID)
	if _, _, rode, err := w.Rematched(t.Context()); rode != 1 || err != nil {
		t.Errorf("%d rode: %v", rode, err)
	}
	for _, called := range []trip.Trip{first, again} {
		if now, err := w.trips.Get(t.Context(), called.ID); err != nil || len(now.Plan) != 0 || now.SeatsLeft != now.Seats {
			t.Errorf("left on a cancelled trip: %+v, %v", now, err)
		}
	}
}

func TestAnOrderThatFindsNoOtherTripExpires(t *testing.T) {
	w := newWorld(t)
	o, ride := w.confirmed()
	w.tripCancelled(ride)
	w.h.Await("it waits", func() bool { return w.h.Events()["match:find_trip released"] > 0 })
	w.timeIsUp(o)
	w.awaitStatus(o.ID, Expired)
	w.h.AwaitFlow(o.ID, "failed")
	w.settled()
	w.expect(o.ID, ReasonNoTrip, "voided", Matching, Matched, Confirmed, Matching, Expired)
	w.told("rider", o.RiderID, notify.Expired, notify.Matched, notify.Rematching)
	w.audited()
}

func TestAnOrderThatLooksAgainIsCancelled(t *testing.T) {
	w := newWorld(t)
	o, ride := w.confirmed()
	w.tripCancelled(ride)
	w.awaitStatus(o.ID, Matching)
	w.cancelled(o)
	w.h.AwaitFlow(o.ID, "cancelled")
	w.settled()
	w.expect(o.ID, ReasonRider, "voided", Matching, Matched, Confirmed, Matching, Cancelled)
	w.audited()
}

// The trip is called off in the middle of the hold: the order is confirmed first,
// and finds another trip then.
func TestTheTripIsCancelledWhileTheFareIsHeld(t *testing.T) {
	w := newWorld(t)
	o, _ := w.duringAHold(func(o Order, ride trip.Trip) {
		w.tripCancelled(ride)
		w.h.Await("the rematch waits", func() bool { return w.h.Events()["order:rematch released"] > 0 })
		if now := w.get(o.ID); now.Status != Matched {
			t.Errorf("while its fare is being held it is %s", now.Status)
		}
		w.audited()
	})
	w.h.Await("it looks again", func() bool { return w.get(o.ID).Rematches == 1 })
	other := w.offered(1)
	w.h.Await("it has another trip", func() bool { return w.get(o.ID).TripID.UUID == other.ID && w.get(o.ID).Status == Confirmed })
	w.settled()
	w.expect(o.ID, "", "held", Matching, Matched, Confirmed, Matching, Matched, Confirmed)
	w.audited()
}

// A rematch that comes late, or for a trip that the order is not on, changes nothing.
func TestLateRematches(t *testing.T) {
	w := newWorld(t)
	ride := w.offered(4)
	o, gone := w.placed(w.person(), aWish()), w.placed(w.person(), aWish())
	w.run()
	w.h.AwaitFlow(o.ID, "done")
	w.h.AwaitFlow(gone.ID, "done")
	w.cancelled(gone)
	w.settled()
	w.h.Dispatch(Rematch(o.ID, uuid.New()), Rematch(gone.ID, ride.ID), Rematch(uuid.New(), ride.ID))
	w.h.Await("all three", func() bool { return w.h.Events()["order:rematch skipped"] == 3 })
	w.settled()
	w.expect(o.ID, "", "held", Matching, Matched, Confirmed)
	w.expect(gone.ID, ReasonRider, "voided", Matching, Matched, Confirmed, Cancelled)
	w.audited()
}

// A trip that is called off twice takes its orders back once, and only its driver
// and operators may do it.
func TestCancelTripAgain(t *testing.T) {
	w := newWorld(t)
	ride := w.offered(4)
	o := w.placed(w.person(), aWish())
	w.seat(o, ride, at(15), at(35))
	if _, err := w.cancelTrip(ride.ID, uuid.New()); !errors.Is(err, trip.ErrNotFound) {
		t.Errorf("by another driver: %v", err)
	}
	for range 2 {
		w.tripCancelled(ride)
	}
	w.h.Dispatch(Rematch(o.ID, ride.ID))
	jobstest.AssertKindCount(t, w.h, "order:rematch", 1)
	over := w.offered(4)
	w.exec("UPDATE trips SET status = ? WHERE id = ?", trip.Completed, over.ID)
	if _, err := w.cancelTrip(over.ID, over.DriverID); !errors.Is(err, trip.ErrNotCancellable) {
		t.Errorf("when it is over: %v", err)
	}
}

func TestMatchUntil(t *testing.T) {
	s := &Service{cfg: usual}
	for _, c := range []struct{ from, arrive, want float64 }{
		{0, 45, 5}, {2, 45, 7}, {22, 45, 25}, {30, 45, 25}, // over already
	} {
		if got := s.matchUntil(at(c.from), at(c.arrive), 20*time.Minute); !got.Equal(at(c.want)) {
			t.Errorf("from %v to arrive by %v: %s", c.from, c.arrive, got)
		}
	}
}

func TestARiderIsRemindedBeforeThePickup(t *testing.T) {
	w := newWorld(t)
	w.run()
	soon, far := aWish(), aWish()
	depart := at(60)
	far.DepartAfter = &depart
	w.offered(1)
	w.offeredAt(at(70))
	near, later := w.placed(w.person(), soon), w.placed(w.person(), far)
	w.awaitStatus(near.ID, Confirmed) // at noon, to be picked up at 12:15
	w.awaitStatus(later.ID, Confirmed)
	wait := w.get(later.ID).PickupAt.Sub(noon) - 15*time.Minute
	jobstest.AssertDispatched(t, w.h, notify.Remind(later.ID).In(wait))
	jobstest.AssertKindCount(t, w.h, "notify:remind", 1)
}

// A trip was called off by an earlier version, whose rematch tells the rider.
func TestARematchOfAnEarlierVersion(t *testing.T) {
	w := newWorld(t)
	o, ride := w.confirmed()
	w.exec("UPDATE trips SET status = ? WHERE id = ?", trip.Cancelled, ride.ID)
	w.h.Dispatch(rematchKind.New(rematchArgs{OrderID: o.ID, TripID: ride.ID}))
	w.h.Await("the rider to be told", func() bool { return slices.Contains(w.inbox(o.RiderID), notify.Rematching) })
	if now := w.get(o.ID); now.Status != Matching {
		t.Errorf("it is %s", now.Status)
	}
}
