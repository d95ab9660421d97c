package order

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/fare"
	"github.com/spotpool/spotpool/internal/money"
	"github.com/spotpool/spotpool/internal/notify"
	"github.com/spotpool/spotpool/internal/pay"
	"github.com/spotpool/spotpool/internal/trip"
)

func TestSettleReadsAsASentence(t *testing.T) {
	b := pay.Bill{ID: uuid.New(), Driver: uuid.New(), Charges: []pay.Charge{{Order: uuid.New(), Amount: 1}, {Order: uuid.New(), Amount: 2}}}
	const want = "(pay:capture | pay:capture) → pay:share_out → (notify:receipt | notify:receipt | notify:earned) → pay:end_disputes → pay:payout"
	if got := Settle(b, time.Hour).String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestDue(t *testing.T) {
	price := fare.Price{Solo: 1000, Pooled: 800}
	for _, c := range []struct {
		status Status
		shared bool
		want   money.Amount
		err    bool
	}{
		{Completed, false, 1000, false}, {Completed, true, 800, false},
		{NoShow, false, 1000, false}, {NoShow, true, 1000, false},
		{Cancelled, true, 0, false}, {Matching, true, 0, false}, {Expired, false, 0, false},
		{Matched, false, 0, true}, {Confirmed, false, 0, true}, {Riding, true, 0, true},
	} {
		got, err := Order{Status: c.status, Price: price, Fee: 1}.due(c.shared)
		if got != c.want || (err != nil) != c.err {
			t.Errorf("%s, shared %t: %s, %v", c.status, c.shared, got, err)
		}
	}
}

// over makes a trip of orders with held fares one that is over, behind the program's
// back: of its orders, one has the status given for each.
func (w *world) over(statuses ...Status) (trip.Trip, []Order) {
	w.t.Helper()
	ride := w.offered(8)
	var orders []Order
	for range statuses {
		orders = append(orders, w.placed(w.person(), aWish()))
	}
	w.run()
	for _, o := range orders {
		w.h.AwaitFlow(o.ID, "done")
	}
	w.settled()
	ends := map[uuid.UUID][2]trip.StopState{} // by order: of its pickup and its dropoff
	for i, s := range statuses {
		w.exec("UPDATE orders SET status = ?, changed_at = ? WHERE id = ?", s, w.clock.Now(), orders[i].ID)
		ends[orders[i].ID] = [2]trip.StopState{trip.Made, trip.Made}
		if s == NoShow {
			ends[orders[i].ID] = [2]trip.StopState{trip.Missed, trip.Dropped}
		}
	}
	driven, err := w.trips.Get(w.t.Context(), ride.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	for i := range driven.Plan {
		stop := &driven.Plan[i]
		if stop.State = ends[stop.OrderID][0]; stop.Kind == trip.Dropoff {
			stop.State = ends[stop.OrderID][1]
		}
	}
	w.exec("UPDATE trips SET status = ?, plan = ? WHERE id = ?", trip.Completed, driven.Plan, ride.ID)
	now, err := w.trips.Get(w.t.Context(), ride.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	return now, orders
}

func (w *world) charged(o Order) money.Amount {
	w.t.Helper()
	found, err := w.payments.Of(w.t.Context(), o.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	return found[o.ID].Charged
}

// settledFlow waits until a settlement waits for its disputes.
func (w *world) settledFlow(id uuid.UUID) {
	w.t.Helper()
	w.h.Await("the settlement to wait for disputes", func() bool {
		return w.count("SELECT COUNT(*) FROM jobs WHERE kind = 'pay:end_disputes' AND state = 'ready' AND args LIKE ?", "%"+id.String()+"%") == 1
	})
}

// A trip that is over is settled: who rode pays what was true at the end, who did not
// come pays in full, and everyone gets a receipt, once however often it is asked for.
func TestATripIsSettled(t *testing.T) {
	w := newWorld(t)
	ride, orders := w.over(Completed, Completed, NoShow)
	solo, pooled := orders[0].Price.Solo, orders[0].Price.Pooled
	for range 2 {
		w.h.Dispatch(SettleTrip(ride.ID))
	}
	w.h.Await("both to be done", func() bool { return w.h.Events()["order:settle done"] == 2 })
	w.h.Await("two flows to share out", func() bool { return w.h.Events()["pay:share_out done"]+w.h.Events()["pay:share_out skipped"] == 2 })
	w.h.Await("receipts", func() bool { return w.h.Events()["notify:earned done"] == 2 })
	for i, want := range []money.Amount{pooled, pooled, solo} {
		if got := w.charged(orders[i]); got != want || w.payment(orders[i].ID) != pay.Captured {
			t.Errorf("order %d is charged %s, payment %s; want %s", i, got, w.payment(orders[i].ID), want)
		}
		if got := w.inbox(orders[i].RiderID); !slices.Contains(got, notify.Receipted) {
			t.Errorf("the rider was told %v", got)
		}
	}
	if got := w.inbox(ride.DriverID); !slices.Contains(got, notify.Settled) {
		t.Errorf("the driver was told %v", got)
	}
	if n := w.count("SELECT COUNT(*) FROM settlements WHERE id = ? AND fares = ?", ride.ID, 2*pooled+solo); n != 1 {
		t.Errorf("%d settlements of the trip", n)
	}
	if n := w.count("SELECT COUNT(*) FROM jobs WHERE kind = 'pay:end_disputes' AND delay_ms = ?", (24 * time.Hour).Milliseconds()); n != 2 {
		t.Errorf("%d settlements wait for a day", n)
	}
}

// An order that has not ended yet keeps its trip from being settled.
func TestATripIsNotSettledTooEarly(t *testing.T) {
	w := newWorld(t)
	ride, orders := w.over(Completed, Confirmed)
	w.h.Dispatch(SettleTrip(ride.ID))
	w.h.Await("a first try", func() bool { return w.h.Events()["order:settle retried"] >= 1 })
	if got := w.payment(orders[0].ID); got != pay.Held {
		t.Errorf("payment is %s", got)
	}
	w.exec("UPDATE orders SET status = ? WHERE id = ?", Completed, orders[1].ID)
	w.settledFlow(ride.ID)
}

func TestATripOfNobodyIsNotSettled(t *testing.T) {
	w := newWorld(t)
	ride := w.offered(1)
	w.run()
	w.h.Dispatch(SettleTrip(ride.ID))
	w.h.Await("it to be skipped", func() bool { return w.h.Events()["order:settle skipped"] == 1 })
}

// A late cancel costs a share of the fare, which is settled at once; the rest of the
// hold is released by that, and the rider is told.
func TestALateCancelCosts(t *testing.T) {
	w := newWorld(t)
	o, ride := w.confirmed() // picked up at 15 minutes past noon
	w.clock.Advance(4 * time.Minute)
	fee := w.get(o.ID).CancelFee(w.clock.Now())
	if want := o.Price.Solo * 50 / 100; fee != want {
		t.Errorf("it would cost %s, want %s", fee, want)
	}
	if c := w.cancelled(o); c.Fee != fee || c.CancelFee(w.clock.Now()) != fee {
		t.Errorf("it has cost %s, want %s", c.Fee, fee)
	}
	w.settledFlow(feeID(o.ID))
	w.settled()
	if got := w.charged(o); got != fee || w.payment(o.ID) != pay.Captured || w.gateway.voids.Load() > 0 {
		t.Errorf("charged %s, payment %s, %d voids", got, w.payment(o.ID), w.gateway.voids.Load())
	}
	if got := w.inbox(ride.DriverID); !slices.Contains(got, notify.Settled) || !slices.Contains(got, notify.Cancelled) {
		t.Errorf("the driver was told %v", got)
	}
	w.audited()
}

// Whoever calls the order off, and when, decides what it costs.
func TestWhatACancelCosts(t *testing.T) {
	w := newWorld(t)
	o, _ := w.confirmed()
	o = w.get(o.ID)
	late := at(4)
	for name, c := range map[string]struct {
		change func(o *Order)
		at     time.Time
		want   money.Amount
	}{
		"three minutes after the match": {nil, at(3), 0},
		"a moment later":                {nil, at(3).Add(time.Microsecond), o.Price.Solo / 2},
		"while it waits for a trip":     {func(o *Order) { o.Status = Matching }, late, 0},
		"while its fare is being held":  {func(o *Order) { o.Status = Matched }, late, 0},
	} {
		tried := o
		if c.change != nil {
			c.change(&tried)
		}
		if got := tried.CancelFee(c.at); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	w.clock.Advance(4 * time.Minute)
	if c, err := w.cancel(o.ID, uuid.Nil); err != nil || c.Fee != 0 {
		t.Errorf("by an operator: %s, %v", c.Fee, err)
	}
	w.settled()
	if got := w.payment(o.ID); got != pay.Voided {
		t.Errorf("payment is %s", got)
	}
}

// The trip of a late cancel may be gone: the undoing then waits for an operator, but
// the order is not charged for nothing.
func TestACostNeedsItsTrip(t *testing.T) {
	w := newWorld(t)
	if err := w.settleFee(t.Context(), nil, Order{TripID: uuid.NullUUID{UUID: uuid.New(), Valid: true}, Fee: 1}); !errors.Is(err, trip.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}
