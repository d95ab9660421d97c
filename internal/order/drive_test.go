package order

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/fault"
	"github.com/spotpool/spotpool/internal/notify"
	"github.com/spotpool/spotpool/internal/statechart"
	"github.com/spotpool/spotpool/internal/trip"
)

// The state machine in docs/architecture.md is that of the transition table.
func TestStateMachineIsDescribed(t *testing.T) {
	statechart.Described(t, "Order", "matching", statechart.Words(transitions))
}

// drives has the driver of a trip do something.
func (w *world) drives(id uuid.UUID, do func(tx *db.Tx) (trip.Trip, error)) (t trip.Trip, err error) {
	w.t.Helper()
	err = w.h.DB.Tx(w.t.Context(), func(tx *db.Tx) (err error) {
		t, err = do(tx)
		return err
	})
	if err != nil {
		t, _ = w.trips.Get(w.t.Context(), id)
	}
	return t, err
}

func (w *world) setsOut(id uuid.UUID) (trip.Trip, error) {
	return w.drives(id, func(tx *db.Tx) (trip.Trip, error) { return w.SetOut(tx, id, uuid.Nil) })
}

func (w *world) acts(id uuid.UUID, n int, a trip.Act) (trip.Trip, error) {
	return w.drives(id, func(tx *db.Tx) (trip.Trip, error) { return w.Act(tx, id, uuid.Nil, n, a) })
}

// mustAct has a driver do what is accepted.
func (w *world) mustAct(id uuid.UUID, n int, a trip.Act) {
	w.t.Helper()
	if _, err := w.acts(id, n, a); err != nil {
		w.t.Fatalf("%s at stop %d: %v", a, n, err)
	}
}

// riding is a trip that has departed with two confirmed orders: stops 1 and 2 pick
// them up, 3 and 4 drop them off. Jobs run from then on.
func (w *world) riding() (a, b Order, ride trip.Trip) {
	w.t.Helper()
	ride = w.offered(2)
	a, b = w.placed(w.person(), aWish()), w.placed(w.person(), aWish())
	w.run()
	for _, o := range []Order{a, b} {
		w.h.AwaitFlow(o.ID, "done")
	}
	w.settled()
	ride, err := w.setsOut(ride.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	kinds := [4]trip.StopKind{trip.Pickup, trip.Pickup, trip.Dropoff, trip.Dropoff}
	if len(ride.Plan) != 4 || [4]trip.StopKind{ride.Plan[0].Kind, ride.Plan[1].Kind, ride.Plan[2].Kind, ride.Plan[3].Kind} != kinds {
		w.t.Fatalf("the plan %+v", ride.Plan)
	}
	return w.get(ride.Plan[0].OrderID), w.get(ride.Plan[1].OrderID), ride
}

func TestOrdersFollowTheirTrip(t *testing.T) {
	w := newWorld(t)
	a, b, ride := w.riding()
	if w.live.count(notify.TripTopic(ride.ID)) == 0 {
		t.Error("nobody was told live of the departure")
	}
	w.clock.Advance(5 * time.Minute)
	w.mustAct(ride.ID, 1, trip.Arrive)
	w.settled() // who is in the car already is not told
	if o := w.get(a.ID); o.Status != Confirmed || o.DriverHere == nil || !o.DriverHere.Equal(at(5)) {
		t.Errorf("the driver is there: %+v", o)
	}
	w.clock.Advance(time.Minute)
	w.mustAct(ride.ID, 1, trip.PickUp)
	if o := w.get(a.ID); o.Status != Riding || o.DriverHere != nil || !o.PickupAt.Equal(at(6)) {
		t.Errorf("in the car: %+v", o)
	}
	if _, err := w.cancel(a.ID, a.RiderID); !errors.Is(err, ErrNotCancellable) {
		t.Errorf("cancelled while riding: %v", err)
	}
	w.mustAct(ride.ID, 2, trip.Arrive)
	w.settled()
	w.clock.Advance(20 * time.Minute)
	w.mustAct(ride.ID, 2, trip.NoShow)
	w.mustAct(ride.ID, 3, trip.DropOff)
	w.settled()
	for _, c := range []struct {
		o     Order
		life  []Status
		inbox []notify.Event
	}{
		{a, []Status{Matching, Matched, Confirmed, Riding, Completed}, []notify.Event{notify.Completed, notify.Departed, notify.Here, notify.Joined, notify.Matched}},
		{b, []Status{Matching, Matched, Confirmed, NoShow}, []notify.Event{notify.Departed, notify.Here, notify.Matched, notify.Near, notify.NoShow}},
	} {
		if got := w.life(c.o.ID); !slices.Equal(got, c.life) {
			t.Errorf("the life %v, want %v", got, c.life)
		}
		got := slices.DeleteFunc(w.inbox(c.o.RiderID), func(e notify.Event) bool { return e == notify.Late || e == notify.Joined })
		want := slices.DeleteFunc(c.inbox, func(e notify.Event) bool { return e == notify.Joined })
		if !slices.Equal(got, want) {
			t.Errorf("told %v, want %v", got, want)
		}
		if w.payment(c.o.ID) != "held" {
			t.Errorf("its payment is %s", w.payment(c.o.ID))
		}
	}
	ride, err := w.trips.Get(t.Context(), ride.ID)
	if err != nil || ride.Status != trip.Completed || ride.Plan.Shared(a.ID) || ride.Plan.Shared(b.ID) {
		t.Errorf("the trip: %+v, %v", ride, err)
	}
	if o := w.get(a.ID); !o.DropoffAt.Equal(at(26)) {
		t.Errorf("dropped off at %v", o.DropoffAt)
	}
	w.audited()
}

// What has begun is not undone, whoever has its flow undone.
func TestARideIsNotUndone(t *testing.T) {
	w := newWorld(t)
	a, _, ride := w.riding()
	w.mustAct(ride.ID, 1, trip.PickUp)
	w.tx(func(tx *db.Tx) error {
		done, err := w.h.Client.Undo(tx, a.ID)
		if !done {
			t.Error("its flow was not undone")
		}
		return err
	})
	w.h.Await("the undoing ends", func() bool { return w.h.Events()["order:give_up skipped"] == 1 })
	w.settled()
	if o := w.get(a.ID); o.Status != Riding || w.payment(a.ID) != "held" {
		t.Errorf("it is %s, its payment %s", o.Status, w.payment(a.ID))
	}
	w.audited()
}

// Who has called off, or has no hold yet, is neither picked up nor missed.
func TestOnlyAConfirmedOrderIsPickedUp(t *testing.T) {
	w := newWorld(t)
	ride := w.offered(2)
	o := w.placed(w.person(), aWish())
	w.seat(o, ride, at(15), at(35))
	if _, err := w.setsOut(ride.ID); err != nil {
		t.Fatal(err)
	}
	w.mustAct(ride.ID, 1, trip.Arrive)
	w.clock.Advance(time.Hour)
	before, _ := w.trips.Get(t.Context(), ride.ID)
	for _, state := range []Status{Matched, Cancelled} {
		w.exec("UPDATE orders SET status = ? WHERE id = ?", state, o.ID)
		for _, act := range []trip.Act{trip.PickUp, trip.NoShow} {
			now, err := w.acts(ride.ID, 1, act)
			if fault.CodeOf(err) != "order_not_confirmed" || now.Version != before.Version {
				t.Errorf("%s of an order that is %s: %v, version %d", act, state, err, now.Version)
			}
		}
	}
}

// The driver says it many times at once, and the rider calls off at that moment: the
// rider is in the car or is not, and everything says the same.
func TestPickUpsAndACancelRace(t *testing.T) {
	for range 5 {
		w := newWorld(t)
		o := w.placed(w.person(), aWish())
		ride := w.offered(1)
		w.seat(o, ride, at(15), at(35))
		w.exec("UPDATE orders SET status = 'confirmed' WHERE id = ?", o.ID)
		w.exec("UPDATE payments SET status = 'held' WHERE order_id = ?", o.ID)
		if _, err := w.setsOut(ride.ID); err != nil {
			t.Fatal(err)
		}
		var gate, done sync.WaitGroup
		gate.Add(1)
		for i := range 8 {
			done.Go(func() {
				gate.Wait()
				err := w.h.DB.Tx(context.Background(), func(tx *db.Tx) (err error) {
					if i == 3 {
						_, err = w.Cancel(tx, o.ID, o.RiderID)
					} else {
						_, err = w.Act(tx, ride.ID, uuid.Nil, 1, trip.PickUp)
					}
					return err
				})
				if err != nil && fault.KindOf(err) != fault.Conflict {
					t.Error(err)
				}
			})
		}
		gate.Done()
		done.Wait()
		now, err := w.trips.Get(t.Context(), ride.ID)
		if err != nil {
			t.Fatal(err)
		}
		state, status := now.Plan[0].State, w.get(o.ID).Status
		if !(state == trip.Made && status == Riding) && !(state == trip.Dropped && status == Cancelled) {
			t.Errorf("the stop is %s and the order %s", state, status)
		}
		if n := w.count("SELECT COUNT(*) FROM order_events WHERE order_id = ? AND status IN ('riding', 'cancelled')", o.ID); n != 1 {
			t.Errorf("%d changes of the order", n)
		}
	}
}

// An order that is called off on the way frees the driver of its stops.
func TestARiderCancelsOnTheWay(t *testing.T) {
	w := newWorld(t)
	a, b, ride := w.riding()
	w.mustAct(ride.ID, 1, trip.PickUp)
	w.cancelled(b)
	w.h.Await("its stops are dropped", func() bool {
		now, err := w.trips.Get(t.Context(), ride.ID)
		return err == nil && now.Plan[1].State == trip.Dropped
	})
	w.settled()
	now, err := w.trips.Get(t.Context(), ride.ID)
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range now.Plan {
		if s.OrderID == a.ID && s.Kind == trip.Dropoff {
			w.mustAct(ride.ID, i+1, trip.DropOff)
		}
	}
	if now, _ = w.trips.Get(t.Context(), ride.ID); now.Status != trip.Completed || w.get(a.ID).Status != Completed {
		t.Errorf("the trip is %s", now.Status)
	}
	w.audited()
}

// A driver gives up after the departure: those who wait get another car.
func TestADriverGivesUpOnTheWay(t *testing.T) {
	w := newWorld(t)
	a, b, ride := w.riding()
	w.tx(func(tx *db.Tx) error {
		_, err := w.CancelTrip(tx, ride.ID, ride.DriverID)
		return err
	})
	for _, o := range []Order{a, b} {
		w.h.Await("it looks again", func() bool { return w.get(o.ID).Status == Matching })
	}
	w.audited()
}

// A reminder is not for who sits in the car already.
func TestNoReminderInTheCar(t *testing.T) {
	w := newWorld(t)
	a, _, ride := w.riding()
	w.mustAct(ride.ID, 1, trip.PickUp)
	ridden, err := w.Ride(t.Context(), a.ID)
	if err != nil || !ridden.Seated || !ridden.Aboard || ridden.ArriveAt.IsZero() {
		t.Errorf("the ride %+v, %v", ridden, err)
	}
	before := w.h.Events()["notify:remind skipped"]
	w.h.Dispatch(notify.Remind(a.ID))
	w.h.Await("it is skipped", func() bool { return w.h.Events()["notify:remind skipped"] > before })
}
