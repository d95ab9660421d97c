package order

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/money"
	"github.com/spotpool/spotpool/internal/pay"
	"github.com/spotpool/spotpool/internal/trip"
)

// inSync is a world in which jobs run when drained, with a trip that leaves in ten
// minutes and some confirmed orders on it.
func inSync(t *testing.T, seats, orders int) (w *world, ride trip.Trip, on []Order) {
	t.Helper()
	w = newSyncWorld(t, pay.Sandbox{})
	ride, on = w.ride(seats, orders)
	return w, ride, on
}

// ride is such a trip, in a world in sync.
func (w *world) ride(seats, orders int) (ride trip.Trip, on []Order) {
	w.t.Helper()
	ride = w.offer(seats, w.clock.Now().Add(10*time.Minute))
	for range orders {
		on = append(on, w.placed(w.person(), aWish()))
		w.drain(w.t)
	}
	for i := range on {
		if on[i] = w.get(on[i].ID); on[i].Status != Confirmed {
			w.t.Fatalf("an order is %s", on[i].Status)
		}
	}
	return ride, on
}

// does has the driver do something for an order.
func (w *world) does(ride trip.Trip, o Order, a trip.Act) {
	w.t.Helper()
	now, err := w.trips.Get(w.t.Context(), ride.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	for i, s := range now.Plan {
		if s.OrderID == o.ID && (s.Kind == trip.Pickup) == (a == trip.PickUp) {
			w.tx(func(tx *db.Tx) error {
				_, err := w.Act(tx, ride.ID, uuid.Nil, i+1, a)
				return err
			})
		}
	}
}

// byPlan are orders as the trip's plan has them one after another.
func (w *world) byPlan(ride trip.Trip) (orders []Order) {
	now, err := w.trips.Get(w.t.Context(), ride.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, id := range now.Plan.Orders() {
		orders = append(orders, w.get(id))
	}
	return orders
}

// A trip whose driver is not heard of any more ends six hours after it was to: who has
// got in pays for the ride, who has not pays nothing, and no driver's word changes that.
func TestAnAbandonedTripEnds(t *testing.T) {
	w, ride, _ := inSync(t, 4, 3)
	w.tx(func(tx *db.Tx) error {
		_, err := w.SetOut(tx, ride.ID, uuid.Nil)
		return err
	})
	on := w.byPlan(ride)
	w.does(ride, on[0], trip.PickUp)
	w.does(ride, on[1], trip.PickUp)
	before, err := w.trips.Get(t.Context(), ride.ID)
	if err != nil {
		t.Fatal(err)
	}

	look := func() {
		w.h.Dispatch(findAbandonedKind.New(struct{}{}))
		w.drain(t)
	}
	w.clock.Advance(before.ArriveAt.Add(trip.AbandonedAfter - time.Microsecond).Sub(w.clock.Now()))
	look()
	if now, _ := w.trips.Get(t.Context(), ride.ID); now.Status != trip.Departed {
		t.Fatalf("a moment too early it is %s", now.Status)
	}
	w.clock.Advance(time.Microsecond)
	look()

	now, err := w.trips.Get(t.Context(), ride.ID)
	if err != nil || now.Status != trip.Completed || !now.Abandoned || !now.ArriveAt.Equal(before.ArriveAt) {
		t.Errorf("the trip is %s, abandoned %t, over at %s, %v", now.Status, now.Abandoned, now.ArriveAt, err)
	}
	for i, want := range []struct {
		status  Status
		payment pay.Status
		charged money.Amount
	}{{Completed, pay.Captured, on[0].Price.Pooled}, {Completed, pay.Captured, on[1].Price.Pooled}, {Cancelled, pay.Voided, 0}} {
		o := w.get(on[i].ID)
		if o.Status != want.status || o.Reason != ReasonAbandoned || w.payment(o.ID) != want.payment || w.charged(o) != want.charged {
			t.Errorf("order %d is %s, %s, its payment %s with %s charged; want %+v", i, o.Status, o.Reason, w.payment(o.ID), w.charged(o), want)
		}
		if _, out := before.Plan.Ends(o.ID); o.Status == Completed && !o.DropoffAt.Equal(out.At) {
			t.Errorf("dropped off at %s, expected at %s", o.DropoffAt, out.At)
		}
	}
	w.audited()
	if err := w.h.Run(EndAbandoned(ride.ID)); err != nil {
		t.Errorf("again: %v", err)
	}
	if again, _ := w.trips.Get(t.Context(), ride.ID); again.Version != now.Version {
		t.Errorf("again: version %d, not %d", again.Version, now.Version)
	}
	if n := w.count("SELECT COUNT(*) FROM jobs WHERE kind = 'rating:remind'"); n != 2 {
		t.Errorf("%d rides are to be rated", n)
	}
}

// A trip that nobody is on just ends, and whoever is still heard of goes on.
func TestWhatIsNotAbandoned(t *testing.T) {
	w, ride, on := inSync(t, 1, 1)
	empty := w.offer(2, w.clock.Now().Add(time.Minute))
	w.clock.Advance(5 * time.Hour)
	w.drain(t) // both depart
	w.does(ride, on[0], trip.PickUp)
	w.clock.Advance(5 * time.Hour)
	w.h.Dispatch(findAbandonedKind.New(struct{}{}))
	w.drain(t)
	if now, _ := w.trips.Get(t.Context(), ride.ID); now.Status != trip.Departed {
		t.Errorf("a trip of which something was heard is %s", now.Status)
	}
	if now, _ := w.trips.Get(t.Context(), empty.ID); now.Status != trip.Completed || now.Abandoned {
		t.Errorf("the empty trip is %s, abandoned %t", now.Status, now.Abandoned)
	}
}

// Who cancels on the way is off the plan at once, whatever holds the jobs up: the
// driver need not go there.
func TestACancelOnTheWayIsSeenAtOnce(t *testing.T) {
	w, ride, _ := inSync(t, 4, 2)
	w.tx(func(tx *db.Tx) error {
		_, err := w.SetOut(tx, ride.ID, uuid.Nil)
		return err
	})
	on := w.byPlan(ride)
	w.cancelled(on[0])
	now, err := w.trips.Get(t.Context(), ride.ID)
	if in, out := now.Plan.Ends(on[0].ID); err != nil || in.State != trip.Dropped || out.State != trip.Dropped {
		t.Errorf("its stops are %s and %s, %v", in.State, out.State, err)
	}
	w.does(ride, on[1], trip.PickUp)
	w.drain(t)
	w.audited()
}

// A late cancel costs nothing once the driver has called off.
func TestACancelAfterTheDriversIsFree(t *testing.T) {
	w, ride, on := inSync(t, 1, 1)
	w.clock.Advance(4 * time.Minute)
	if fee := w.get(on[0].ID).CancelFee(w.clock.Now()); fee == 0 {
		t.Fatal("it would be free anyway")
	}
	w.tx(func(tx *db.Tx) error {
		_, err := w.CancelTrip(tx, ride.ID, uuid.Nil)
		return err
	})
	if o := w.cancelled(on[0]); o.Fee != 0 {
		t.Errorf("it has cost %s", o.Fee)
	}
	w.drain(t)
	if got := w.payment(on[0].ID); got != pay.Voided {
		t.Errorf("its payment is %s", got)
	}
	w.audited()
}

func TestAbandonedIsPeriodic(t *testing.T) {
	p := (&Service{}).Abandoned()
	if p.Every != lookForAbandoned || p.Job(noon).Kind() != "order:find_abandoned" {
		t.Errorf("every %s %s", p.Every, p.Job(noon).Kind())
	}
}
