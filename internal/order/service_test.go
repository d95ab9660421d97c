package order

import (
	"errors"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/fare"
	"github.com/spotpool/spotpool/internal/fault"
)

func TestPlace(t *testing.T) {
	w := newWorld(t)
	rider := w.person()
	wish := aWish()
	wish.Seats = 2
	o := w.placed(rider, wish)
	want := Order{
		ID: o.ID, RiderID: rider, Status: Matching, Seats: 2, Origin: place(5), Dest: place(25),
		DepartAfter: noon, ArriveBefore: at(45), MatchUntil: at(5), Metres: 20_000, Duration: 20 * time.Minute,
		Price: fare.Price{Solo: 2 * 4400, Pooled: 2 * 3520}, Version: 1, CreatedAt: noon, ChangedAt: noon,
	}
	if !reflect.DeepEqual(o, want) {
		t.Errorf("placed %+v\nwant   %+v", o, want)
	}
	if stored := w.get(o.ID); !reflect.DeepEqual(stored, want) {
		t.Errorf("stored %+v\nwant   %+v", stored, want)
	}
	if got := w.life(o.ID); !slices.Equal(got, []Status{Matching}) {
		t.Errorf("life %v", got)
	}
	payments, err := w.payments.Of(t.Context(), o.ID)
	if p := payments[o.ID]; err != nil || p.Amount != o.Price.Solo || p.RiderID != rider || p.Status != "none" {
		t.Errorf("payment %+v, %v", p, err)
	}
	if f := w.h.Flow(o.ID); f.Text != Fulfil(o.ID, o.MatchUntil).String() || f.State != "running" {
		t.Errorf("flow %q is %s", f.Text, f.State)
	}
}

func TestPlaceLeavesNothingBehind(t *testing.T) {
	w := newWorld(t)
	rider, wrong, early, changedMind := w.person(), aWish(), aWish(), errors.New("no")
	wrong.Seats = 0
	yesterday := noon.Add(-24 * time.Hour)
	early.DepartAfter = &yesterday
	for code, c := range map[string]struct {
		rider uuid.UUID
		wish  Wish
		after error
	}{
		"seats_out_of_range":       {rider, wrong, nil},
		"depart_after_in_the_past": {rider, early, nil},
		"internal":                 {rider, aWish(), changedMind}, // the caller's transaction fails
	} {
		err := w.h.DB.Tx(t.Context(), func(tx *db.Tx) error {
			_, err := w.Place(tx, c.rider, c.wish)
			return errors.Join(err, c.after)
		})
		if err == nil || fault.CodeOf(err) != code {
			t.Errorf("%v, want %s", err, code)
		}
	}
	for _, table := range []string{"orders", "order_events", "payments", "flows", "jobs", "job_batches"} {
		if n := w.count("SELECT COUNT(*) FROM " + table); n != 0 {
			t.Errorf("%d rows in %s", n, table)
		}
	}
}

func TestARiderHoldsOnlySoManyOrders(t *testing.T) {
	w := newWorld(t)
	rider, other := w.person(), w.person()
	var accepted atomic.Int32
	var gate, all sync.WaitGroup
	gate.Add(1)
	for range 20 {
		all.Go(func() {
			gate.Wait()
			_, err := w.place(rider, aWish())
			switch {
			case err == nil:
				accepted.Add(1)
			case fault.CodeOf(err) != "too_many_orders" || fault.KindOf(err) != fault.Conflict:
				t.Error(err)
			}
		})
	}
	gate.Done()
	all.Wait()
	if n := accepted.Load(); n != 3 || w.count("SELECT COUNT(*) FROM orders") != 3 {
		t.Errorf("%d orders accepted, want 3", n)
	}
	w.placed(other, aWish()) // is not concerned
}

func TestWhichOrdersCountTowardsTheLimit(t *testing.T) {
	w := newWorld(t)
	rider := w.person()
	var orders []Order
	for range usual.MaxActive {
		orders = append(orders, w.placed(rider, aWish()))
	}
	for name, c := range map[string]struct {
		status  Status
		dropoff any
		counts  bool
	}{
		"matching":            {Matching, nil, true},
		"matched":             {Matched, at(30), true},
		"confirmed":           {Confirmed, at(30), true},
		"riding":              {Riding, at(0.1), true},
		"confirmed, but over": {Confirmed, at(-0.1), false},
		"riding, though late": {Riding, noon, true},
		"no show":             {NoShow, at(30), false},
		"completed":           {Completed, at(30), false},
		"cancelled":           {Cancelled, at(30), false},
		"expired":             {Expired, nil, false},
	} {
		w.exec("UPDATE orders SET status = ?, dropoff_at = ? WHERE id = ?", c.status, c.dropoff, orders[0].ID)
		err := w.h.DB.Tx(t.Context(), func(tx *db.Tx) error { return w.admit(tx, rider) })
		if (fault.CodeOf(err) == "too_many_orders") != c.counts || err != nil && !c.counts {
			t.Errorf("%s: %v, counts should be %v", name, err, c.counts)
		}
	}
}

func TestCancel(t *testing.T) {
	w := newWorld(t)
	for _, status := range all {
		t.Run(string(status), func(t *testing.T) {
			o, stranger := w.placed(w.person(), aWish()), w.person()
			w.exec("UPDATE orders SET status = ? WHERE id = ?", status, o.ID)
			w.clock.Advance(time.Minute)
			now := w.clock.Now()

			if _, err := w.cancel(o.ID, stranger); !errors.Is(err, ErrNotFound) {
				t.Errorf("someone else's: %v, want ErrNotFound", err)
			}
			got, err := w.cancel(o.ID, o.RiderID)
			if status == Riding || status == Completed || status == NoShow || status == Expired {
				if !errors.Is(err, ErrNotCancellable) || w.get(o.ID).Status != status || len(w.life(o.ID)) != 1 {
					t.Errorf("%v, and the order is %+v", err, w.get(o.ID))
				}
				return
			}
			if err != nil || got.Status != Cancelled {
				t.Fatalf("%+v, %v", got, err)
			}
			if status == Cancelled { // was so before: nothing happens
				if len(w.life(o.ID)) != 1 || w.h.Flow(o.ID).State != "running" {
					t.Error("cancelled a second time")
				}
				return
			}
			if got.Reason != ReasonRider || got.Version != 2 || got.ChangedAt != now || !reflect.DeepEqual(got, w.get(o.ID)) {
				t.Errorf("returned %+v\nstored  %+v", got, w.get(o.ID))
			}
			events, err := w.EventsSince(t.Context(), o.ID, 1)
			if want := []Event{{o.ID, 2, Cancelled, ReasonRider, now}}; err != nil || !reflect.DeepEqual(events, want) {
				t.Errorf("events %+v, %v, want %+v", events, err, want)
			}
			if f := w.h.Flow(o.ID); f.State != "stopping" {
				t.Errorf("the flow is %s", f.State)
			}
		})
	}
}

func TestCancelByAnOperatorAndOfNothing(t *testing.T) {
	w := newWorld(t)
	o := w.placed(w.person(), aWish())
	if got, err := w.cancel(o.ID, uuid.Nil); err != nil || got.Status != Cancelled {
		t.Errorf("an operator: %+v, %v", got, err)
	}
	if _, err := w.cancel(uuid.New(), uuid.Nil); !errors.Is(err, ErrNotFound) {
		t.Errorf("no such order: %v", err)
	}
}

func TestOneCancellationCounts(t *testing.T) {
	w := newWorld(t)
	o := w.placed(w.person(), aWish())
	var gate, all sync.WaitGroup
	gate.Add(1)
	for range 20 {
		all.Go(func() {
			gate.Wait()
			if got, err := w.cancel(o.ID, o.RiderID); err != nil || got.Status != Cancelled {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
	gate.Done()
	all.Wait()
	if got := w.life(o.ID); !slices.Equal(got, []Status{Matching, Cancelled}) {
		t.Errorf("life %v", got)
	}
}

func TestList(t *testing.T) {
	w := newWorld(t)
	a, b, ride := w.person(), w.person(), w.offered(4)
	var ids []uuid.UUID
	for _, rider := range []uuid.UUID{a, b, a, b, a} {
		ids = append(ids, w.placed(rider, aWish()).ID)
	}
	w.seat(w.get(ids[2]), ride, at(15), at(35))
	w.cancelled(w.get(ids[3]))
	for name, c := range map[string]struct {
		filter Filter
		after  uuid.UUID
		limit  int
		want   []int
	}{
		"all":             {Filter{}, uuid.Nil, 10, []int{4, 3, 2, 1, 0}},
		"the first page":  {Filter{}, uuid.Nil, 2, []int{4, 3}},
		"the next":        {Filter{}, ids[3], 2, []int{2, 1}},
		"the last":        {Filter{}, ids[1], 2, []int{0}},
		"behind the last": {Filter{}, ids[0], 2, nil},
		"of one rider":    {Filter{Rider: a}, uuid.Nil, 10, []int{4, 2, 0}},
		"of one, later":   {Filter{Rider: a}, ids[4], 1, []int{2}},
		"on a trip":       {Filter{Trip: ride.ID}, uuid.Nil, 10, []int{2}},
		"in a status":     {Filter{Status: Matching}, uuid.Nil, 10, []int{4, 1, 0}},
		"all of it":       {Filter{Rider: b, Status: Cancelled}, uuid.Nil, 10, []int{3}},
		"nothing like it": {Filter{Rider: b, Trip: ride.ID}, uuid.Nil, 10, nil},
	} {
		orders, err := w.List(t.Context(), c.filter, c.after, c.limit)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var got []int
		for _, o := range orders {
			got = append(got, slices.Index(ids, o.ID))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// An order shows the times of its trip's present plan as long as it is on it.
func TestTimesFollowThePlan(t *testing.T) {
	w := newWorld(t)
	ride := w.offered(4)
	first, second := w.placed(w.person(), aWish()), w.placed(w.person(), aWish())
	w.seat(first, ride, at(99), at(99)) // as if the plan had been another then
	w.seat(second, ride, at(99), at(99))
	times := func(o Order) [2]time.Time { return [2]time.Time{*o.PickupAt, *o.DropoffAt} }
	// The second is picked up behind the first's dropoff: 20 minutes back, 20 on.
	want := map[uuid.UUID][2]time.Time{first.ID: {at(15), at(35)}, second.ID: {at(55), at(75)}}
	listed, err := w.List(t.Context(), Filter{Trip: ride.ID}, uuid.Nil, 10)
	if err != nil || len(listed) != 2 {
		t.Fatal(listed, err)
	}
	for _, o := range append(listed, w.get(first.ID), w.get(second.ID)) {
		if got := times(o); got != want[o.ID] {
			t.Errorf("order %s: %v, want %v", o.ID, got, want[o.ID])
		}
	}
	w.cancelled(first) // its stops are still on the plan
	listed, err = w.List(t.Context(), Filter{Trip: ride.ID}, uuid.Nil, 10)
	if err != nil || len(listed) != 2 {
		t.Fatal(listed, err)
	}
	for _, o := range append(listed, w.get(first.ID)) {
		if o.ID == first.ID && times(o) != [2]time.Time{at(99), at(99)} {
			t.Errorf("a cancelled order follows the plan: %v", times(o))
		}
	}
}

func TestGetOfNothing(t *testing.T) {
	w := newWorld(t)
	if o, err := w.Get(t.Context(), uuid.New()); !errors.Is(err, ErrNotFound) || o != (Order{}) {
		t.Errorf("%+v, %v", o, err)
	}
	if events, err := w.EventsSince(t.Context(), uuid.New(), 0); len(events) > 0 || err != nil {
		t.Errorf("%v, %v", events, err)
	}
}
