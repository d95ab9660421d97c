package order

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/notify"
	"github.com/spotpool/spotpool/internal/trip"
)

// awaitStatus waits until the order has the status.
func (w *world) awaitStatus(id uuid.UUID, s Status) (o Order) {
	w.t.Helper()
	w.h.Await("order "+string(s), func() bool {
		o = w.get(id)
		return o.Status == s
	})
	return o
}

// seatsLeft returns the seats left on a trip.
func (w *world) seatsLeft(on trip.Trip) int {
	w.t.Helper()
	now, err := w.trips.Get(w.t.Context(), on.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	return now.SeatsLeft
}

// expect checks what became of an order, after its flow has ended.
func (w *world) expect(id uuid.UUID, reason, payment string, life ...Status) {
	w.t.Helper()
	o := w.get(id)
	if got := w.life(id); !slices.Equal(got, life) || o.Reason != reason || string(w.payment(id)) != payment {
		w.t.Errorf("life %v, reason %q, payment %s; want %v, %q, %s", got, o.Reason, w.payment(id), life, reason, payment)
	}
}

func (w *world) told(who string, person uuid.UUID, want ...notify.Event) {
	w.t.Helper()
	if got := w.inbox(person); !slices.Equal(got, want) {
		w.t.Errorf("the %s was told %v, want %v", who, got, want)
	}
}

func TestAnOrderIsFulfilled(t *testing.T) {
	w := newWorld(t)
	ride := w.offered(4)
	first, second := w.placed(w.person(), aWish()), w.person()
	w.run()
	w.h.AwaitFlow(first.ID, "done")
	then := w.placed(second, aWish())
	w.h.AwaitFlow(then.ID, "done")
	w.settled()

	o := w.get(first.ID)
	if o.TripID.UUID != ride.ID || *o.PickupAt != at(15) || *o.DropoffAt != at(35) || *o.ConfirmedAt != noon || *o.MatchedAt != noon {
		t.Errorf("confirmed as %+v", o)
	}
	w.expect(first.ID, "", "held", Matching, Matched, Confirmed)
	w.expect(then.ID, "", "held", Matching, Matched, Confirmed)
	w.told("first rider", first.RiderID, notify.Joined, notify.Matched)
	w.told("second rider", second, notify.Matched)
	w.told("driver", ride.DriverID, notify.Matched, notify.Matched)
	if left := w.seatsLeft(ride); left != 2 {
		t.Errorf("%d seats left", left)
	}
	w.audited()
}

func TestADeclinedFareGivesTheSeatBack(t *testing.T) {
	w := newWorld(t)
	ride := w.offered(1)
	w.gateway.declines.Store(true)
	o := w.placed(w.person(), aWish())
	w.run()
	if f := w.h.AwaitFlow(o.ID, "failed"); f.Cause != "payment_declined" {
		t.Errorf("cause %q", f.Cause)
	}
	w.settled()
	w.expect(o.ID, "payment_declined", "none", Matching, Matched, Cancelled)
	w.told("rider", o.RiderID, notify.Declined)
	w.told("driver", ride.DriverID, notify.Cancelled)
	if left := w.seatsLeft(ride); left != 1 {
		t.Errorf("%d seats left, want 1", left)
	}
	w.audited()
}

func TestAnOrderWithoutATripExpires(t *testing.T) {
	w := newWorld(t)
	o := w.placed(w.person(), aWish())
	w.run()
	w.h.Await("it waits", func() bool { return w.h.Events()["match:find_trip released"] > 0 })
	w.timeIsUp(o)
	if f := w.h.AwaitFlow(o.ID, "failed"); f.Cause != jobs.ErrDeadline.Code {
		t.Errorf("cause %q", f.Cause)
	}
	w.settled()
	w.expect(o.ID, ReasonNoTrip, "none", Matching, Expired)
	w.told("rider", o.RiderID, notify.Expired)
	w.audited()
}

// timeIsUp moves the deadline of an order's search, which the queue tells by the
// machine's clock, into the past.
func (w *world) timeIsUp(o Order) {
	w.t.Helper()
	now := w.get(o.ID)
	if n := w.count("SELECT COUNT(*) FROM jobs WHERE kind = 'match:find_trip' AND state = 'ready' AND retry_until = ?", now.MatchUntil); n != 1 {
		w.t.Errorf("%d searches end when the order's time is up, want one", n)
	}
	w.exec("UPDATE jobs SET retry_until = ? WHERE kind = 'match:find_trip' AND state = 'ready'", time.Now().UTC())
	if _, err := w.h.Client.Wake(w.t.Context(), o.ID); err != nil {
		w.t.Fatal(err)
	}
}

func TestCancelWhileItWaitsForATrip(t *testing.T) {
	w := newWorld(t)
	o := w.placed(w.person(), aWish())
	w.run()
	w.h.Await("it waits", func() bool { return w.h.Events()["match:find_trip released"] > 0 })
	w.cancelled(o)
	w.h.AwaitFlow(o.ID, "cancelled")
	w.settled()
	w.expect(o.ID, ReasonRider, "none", Matching, Cancelled)
	w.told("rider", o.RiderID, notify.Cancelled)
	w.audited()
}

// The rider cancels in the middle of the hold: it is recorded, then voided.
func TestCancelWhileTheFareIsHeld(t *testing.T) {
	w := newWorld(t)
	o, ride := w.duringAHold(func(o Order, _ trip.Trip) { w.cancelled(o) })
	w.h.AwaitFlow(o.ID, "cancelled")
	w.settled()
	w.expect(o.ID, ReasonRider, "voided", Matching, Matched, Cancelled)
	w.told("rider", o.RiderID, notify.Cancelled)
	w.told("driver", ride.DriverID, notify.Cancelled)
	if left := w.seatsLeft(ride); left != 1 {
		t.Errorf("%d seats left, want 1", left)
	}
	w.audited()
}

// A confirmed order's seat goes to the one who waits for it.
func TestCancelAfterItIsConfirmed(t *testing.T) {
	for name, prune := range map[string]bool{"its flow is kept": false, "its flow was pruned": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			o, ride := w.confirmed()
			waits := w.placed(w.person(), aWish())
			w.h.Await("another waits", func() bool { return w.h.Events()["match:find_trip released"] > 0 })
			state := "cancelled"
			if prune {
				state = "done" // a flow of its own that undoes
				for _, table := range []string{"jobs", "job_batches"} {
					w.exec("DELETE FROM "+table+" WHERE flow_id IN (SELECT id FROM flows WHERE subject_id = ?)", o.ID)
				}
				w.exec("DELETE FROM flows WHERE subject_id = ?", o.ID)
			}
			w.cancelled(o)
			w.h.AwaitFlow(o.ID, state)
			w.awaitStatus(waits.ID, Confirmed)
			w.settled()
			w.expect(o.ID, ReasonRider, "voided", Matching, Matched, Confirmed, Cancelled)
			w.expect(waits.ID, "", "held", Matching, Matched, Confirmed)
			w.told("rider", o.RiderID, notify.Cancelled, notify.Matched)
			w.told("driver", ride.DriverID, notify.Cancelled, notify.Matched, notify.Matched)
			if n := w.h.Events()["match:wake_waiting done"]; n != 2 { // it would search again by itself, later
				t.Errorf("those who wait were woken %d times, want for the new trip and for the free seat", n)
			}
			if on := w.get(waits.ID).TripID.UUID; on != ride.ID || w.seatsLeft(ride) != 0 {
				t.Errorf("on trip %s with %d seats left", on, w.seatsLeft(ride))
			}
			w.audited()
		})
	}
}

// A job that is delivered late, or twice, changes nothing.
func TestJobsOfAClosedOrder(t *testing.T) {
	w := newWorld(t)
	o := w.placed(w.person(), aWish())
	w.run()
	w.cancelled(o)
	w.h.AwaitFlow(o.ID, "cancelled")
	w.h.Dispatch(GiveUp(o.ID), Confirm(o.ID))
	w.h.Await("both have run", func() bool {
		return w.h.Events()["order:give_up done"] == 2 && w.h.Events()["order:confirm failed"] == 1
	})
	w.settled()
	w.expect(o.ID, ReasonRider, "none", Matching, Cancelled)
	w.told("rider", o.RiderID, notify.Cancelled)
}

func TestClose(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		from   Status
		cause  string
		to     Status
		reason string
	}{
		{Matching, "deadline_passed", Expired, "no_trip"},
		{Matched, "deadline_passed", Expired, "no_trip"},
		{Matching, "failed", Cancelled, "failed"},
		{Matched, "payment_declined", Cancelled, "payment_declined"},
		{Confirmed, "failed", Cancelled, "failed"},
		{Confirmed, "deadline_passed", Confirmed, ""}, // cannot happen; must not harm
		{Riding, "failed", Riding, ""},
		{NoShow, "failed", NoShow, ""},
		{Completed, "failed", Completed, ""},
		{Cancelled, "failed", Cancelled, ""},
		{Expired, "cancelled", Expired, ""},
	} {
		o := w.placed(w.person(), aWish())
		w.exec("UPDATE orders SET status = ? WHERE id = ?", c.from, o.ID)
		o = w.get(o.ID)
		w.tx(func(tx *db.Tx) error { return w.close(tx, &o, c.cause) })
		stored := w.get(o.ID)
		if o.Status != c.to || o.Reason != c.reason || stored.Status != c.to || stored.Reason != c.reason {
			t.Errorf("%s closed for %s: %s %q, stored %s %q; want %s %q",
				c.from, c.cause, o.Status, o.Reason, stored.Status, stored.Reason, c.to, c.reason)
		}
	}
}

func TestFarewell(t *testing.T) {
	id := uuid.New()
	for _, c := range []struct {
		status Status
		reason string
		event  notify.Event
	}{
		{Expired, ReasonNoTrip, notify.Expired},
		{Cancelled, "payment_declined", notify.Declined},
		{Cancelled, ReasonRider, notify.Cancelled},
		{Cancelled, "failed", notify.Cancelled},
	} {
		got := farewell(Order{ID: id, Status: c.status, Reason: c.reason})
		if len(got) != 2 || got[0].Kind() != "pay:void" || !same(got[1], notify.About(id, c.event)) {
			t.Errorf("%s for %s: %v", c.status, c.reason, got)
		}
	}
}

// What a late cancel costs is settled by a flow of its own, which ends the hold.
func TestFarewellAtACost(t *testing.T) {
	id := uuid.New()
	got := farewell(Order{ID: id, Status: Cancelled, Reason: ReasonRider, Fee: 100})
	if len(got) != 1 || !same(got[0], notify.About(id, notify.Cancelled)) {
		t.Errorf("%v", got)
	}
}

func same(a, b jobs.Job) bool { return a.Kind() == b.Kind() && string(a.Args()) == string(b.Args()) }

// Only one change of an order's status wins.
func TestMove(t *testing.T) {
	w := newWorld(t)
	for _, from := range all {
		for _, to := range all {
			o := w.placed(w.person(), aWish())
			w.exec("UPDATE orders SET status = ? WHERE id = ?", from, o.ID)
			err := w.h.DB.Tx(t.Context(), func(tx *db.Tx) error { return w.move(tx, o.ID, to, "why", "") })
			switch {
			case from.Can(to) && (err != nil || w.get(o.ID).Status != to || w.get(o.ID).Reason != "why" || len(w.life(o.ID)) != 2):
				t.Errorf("%s to %s: %v, %v", from, to, err, w.life(o.ID))
			case !from.Can(to) && (!errors.Is(err, errMoved) || w.get(o.ID).Status != from || len(w.life(o.ID)) != 1):
				t.Errorf("%s to %s: %v, %v, want errMoved", from, to, err, w.life(o.ID))
			}
		}
	}
}
