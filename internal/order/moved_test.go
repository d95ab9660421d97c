package order

import (
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
	"github.com/spotpool/spotpool/internal/match"
	"github.com/spotpool/spotpool/internal/notify"
	"github.com/spotpool/spotpool/internal/trip"
)

// windowed and the others are policies with windows that a test does not feel.
var (
	windowed   = match.Live{Policy: match.Windowed, Window: 20 * time.Millisecond}
	untilTold  = match.Live{Policy: match.Best, Window: 20 * time.Millisecond, Lock: match.LockWhenTold, Budget: 30 * time.Millisecond}
	untilTrips = match.Live{Policy: match.Best, Window: 20 * time.Millisecond, Lock: match.LockAtPickup, Budget: 30 * time.Millisecond}
)

// along is a trip of one seat from place to place that takes no detour.
func (w *world) along(from, to float64) (offered trip.Trip) {
	w.t.Helper()
	driver := w.person()
	w.tx(func(tx *db.Tx) (err error) {
		offered, err = w.trips.Offer(tx, trip.Offer{
			DriverID: driver, Origin: place(from), Dest: new(place(to)), DepartAt: at(10), Seats: 1, MaxDetour: new(time.Duration),
		})
		return err
	})
	return offered
}

// wants is an order from place to place.
func (w *world) wants(from, to float64) Order {
	w.t.Helper()
	wish := Wish{Route: Route{Origin: place(from), Dest: place(to), Seats: 1}}
	arrive := at(60)
	wish.ArriveBefore = &arrive
	return w.placed(w.person(), wish)
}

func (w *world) moved(m match.Move) error {
	return w.h.DB.Tx(w.t.Context(), func(tx *db.Tx) error { return w.Moved(tx, m) })
}

// Orders that gather are decided together, each is fulfilled as ever, and one that
// finds nothing is decided again when there is a trip for it.
func TestOrdersAreDecidedByTheWindow(t *testing.T) {
	w := newWorldWith(t, windowed)
	w.along(0, 30)
	first := w.wants(5, 25)
	w.run()
	w.awaitStatus(first.ID, Confirmed)
	second := w.wants(5, 25)
	w.h.Await("decisions without a trip", func() bool { return w.h.Events()["match:decide done"] > 3 })
	w.along(2, 28)
	w.awaitStatus(second.ID, Confirmed)
	for _, o := range []Order{first, second} {
		w.h.AwaitFlow(o.ID, "done")
		w.expect(o.ID, "", "held", Matching, Matched, Confirmed)
	}
	w.settled() // no further decision is asked for
	jobstest.AssertKindCount(t, w.h, "match:wake_waiting", 0)
	w.audited()
}

// An order that has less time than a window is placed as it comes.
func TestAnOrderThatCannotWaitIsPlacedAtOnce(t *testing.T) {
	slow := windowed
	slow.Window = 4 * time.Minute
	w := newWorldWith(t, slow)
	w.along(0, 30)
	wish := aWish()
	soon := at(23) // twenty minutes' way
	wish.ArriveBefore = &soon
	late := w.along(5, 30)
	w.exec("UPDATE trips SET depart_at = ? WHERE id = ?", at(1), late.ID)
	o := w.placed(w.person(), wish)
	w.run()
	w.h.AwaitFlow(o.ID, "done")
	w.expect(o.ID, "", "held", Matching, Matched, Confirmed)
	jobstest.AssertKindCount(t, w.h, "match:decide", 0)
}

// A confirmed order moves to make room: rider and both drivers are told, once, and the
// money stays as it is.
func TestAConfirmedOrderMakesRoom(t *testing.T) {
	w := newWorldWith(t, untilTrips)
	old := w.along(0, 30)
	first := w.wants(5, 25)
	w.run()
	w.h.AwaitFlow(first.ID, "done")
	w.settled()
	next := w.along(2, 40)
	second := w.wants(0, 30)
	w.h.AwaitFlow(second.ID, "done")
	w.settled()

	o := w.get(first.ID)
	if o.TripID.UUID != next.ID || o.Reason != ReasonMoved || o.Rematches != 1 || *o.PickupAt != at(13) {
		t.Errorf("moved to %+v", o)
	}
	w.expect(first.ID, ReasonMoved, "held", Matching, Matched, Confirmed, Confirmed)
	w.expect(second.ID, "", "held", Matching, Matched, Confirmed)
	everyone := func() {
		t.Helper()
		w.told("rider who moved", first.RiderID, notify.Matched, notify.Moved)
		w.told("rider who came", second.RiderID, notify.Matched)
		w.told("driver who lost one", old.DriverID, notify.Left, notify.Matched, notify.Matched)
		w.told("driver who got one", next.DriverID, notify.Matched)
	}
	everyone()
	w.h.Dispatch(notify.MovedFrom(old.ID, first.ID, 1))
	w.settled()
	everyone()
	if n := w.gateway.holds.Load(); n != 2 {
		t.Errorf("%d holds", n)
	}
	w.audited()
	w.cancelled(first)
	w.settled()
	w.told("driver who got one", next.DriverID, notify.Cancelled, notify.Matched)
	w.audited()
}

// Where who was told stays, a confirmed order keeps its trip and the other waits.
func TestAConfirmedOrderStays(t *testing.T) {
	w := newWorldWith(t, untilTold)
	old := w.along(0, 30)
	first := w.wants(5, 25)
	w.run()
	w.h.AwaitFlow(first.ID, "done")
	w.along(2, 40)
	second := w.wants(0, 30)
	n := w.h.Events()["match:decide done"]
	w.h.Await("decisions", func() bool { return w.h.Events()["match:decide done"] > n+3 })
	if o := w.get(first.ID); o.TripID.UUID != old.ID || w.get(second.ID).Status != Matching {
		t.Errorf("%+v, %+v", o, w.get(second.ID))
	}
	w.audited()
}

// An order moves while its fare is being held: it is confirmed on its new trip, of
// which alone people are told. Or its rider cancels then, or the trip is called off.
func TestAnOrderMovesWhileItsFareIsHeld(t *testing.T) {
	for name, then := range map[string]func(w *world, o Order, next trip.Trip){
		"confirmed": func(*world, Order, trip.Trip) {},
		"cancelled": func(w *world, o Order, _ trip.Trip) { w.cancelled(o) },
		"declined":  func(w *world, _ Order, _ trip.Trip) { w.gateway.declines.Store(true) },
		"called off": func(w *world, _ Order, next trip.Trip) {
			w.tripCancelled(next)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorldWith(t, untilTold)
			w.gateway.meets = make(chan chan struct{})
			old := w.along(0, 30)
			first := w.wants(5, 25)
			w.run()
			hold := w.holds()
			next := w.along(2, 40)
			second := w.wants(0, 30)
			w.h.Await("the move", func() bool { return w.get(first.ID).TripID.UUID == next.ID })
			w.audited()
			then(w, first, next)
			other := w.holds() // that of the order that came
			close(hold)
			close(other)
			if name == "declined" {
				w.h.AwaitFlow(first.ID, "failed")
				w.h.AwaitFlow(second.ID, "failed")
			}
			go func() { // of any order that is matched again
				for c := range w.gateway.meets {
					close(c)
				}
			}()
			switch name {
			case "confirmed":
				w.h.AwaitFlow(first.ID, "done")
				w.h.AwaitFlow(second.ID, "done")
				w.settled()
				w.expect(first.ID, "", "held", Matching, Matched, Matched, Confirmed)
				w.told("rider", first.RiderID, notify.Matched)
				w.told("driver", next.DriverID, notify.Matched)
				w.told("driver of the other", old.DriverID, notify.Matched)
			case "cancelled":
				w.h.AwaitFlow(first.ID, "cancelled")
				w.h.AwaitFlow(second.ID, "done")
				w.settled()
				w.expect(first.ID, ReasonRider, "voided", Matching, Matched, Matched, Cancelled)
			case "declined":
				w.settled()
				w.expect(first.ID, "payment_declined", "none", Matching, Matched, Matched, Cancelled)
			case "called off":
				w.awaitStatus(first.ID, Matching)
				w.cancelled(w.get(first.ID))
				w.settled()
				w.expect(first.ID, ReasonRider, "voided", Matching, Matched, Matched, Confirmed, Matching, Cancelled)
			}
			w.audited()
		})
	}
}

// Moved changes an order that is where the move says, and no other.
func TestMoved(t *testing.T) {
	w := newWorld(t)
	from, to := w.along(0, 30), w.along(0, 31)
	for _, status := range all {
		for _, told := range []bool{false, true} {
			o := w.wants(5, 25)
			w.exec("UPDATE orders SET status = ?, trip_id = ?, pickup_at = ? WHERE id = ?", status, from.ID, at(40), o.ID)
			m := match.Move{Order: o.ID, From: from.ID, To: to.ID, WasAt: at(40), PickupAt: at(35), DropoffAt: at(55), Told: told}
			wrong := m
			wrong.From = to.ID
			if err := w.moved(wrong); !errors.Is(err, errMoved) {
				t.Errorf("%s, from a trip that it is not on: %v", status, err)
			}
			may := status == Matched || status == Confirmed && told
			if err := w.moved(m); may != (err == nil) || !may && !errors.Is(err, errMoved) {
				t.Errorf("%s, told %v: %v", status, told, err)
			}
			now := w.get(o.ID)
			if moved := now.TripID.UUID == to.ID && now.Reason == ReasonMoved && now.Version == 2; moved != may || now.Status != status {
				t.Errorf("%s, told %v: %+v", status, told, now)
			}
		}
	}
	// One of them is told, and reminded of the earlier pickup: fifteen minutes before it.
	jobstest.AssertKindCount(t, w.h, "notify:moved", 1)
	jobstest.AssertKindCount(t, w.h, "notify:remind", 1)
}

// seatedOnce checks what holds at every moment: nothing is oversold, and no order
// stands on two plans.
func (w *world) seatedOnce() {
	w.t.Helper()
	if lines, err := w.trips.Oversold(w.t.Context()); len(lines) > 0 || err != nil {
		w.t.Errorf("audit: %v, %v", lines, err)
	}
	trips, err := w.trips.List(w.t.Context(), uuid.Nil, 200)
	if err != nil {
		w.t.Fatal(err)
	}
	on := map[uuid.UUID]uuid.UUID{}
	for _, t := range trips {
		for _, order := range t.Plan.Orders() {
			if other, twice := on[order]; twice {
				w.t.Errorf("order %s stands on the plans of %s and %s", order, other, t.ID)
			}
			on[order] = t.ID
		}
	}
}

// Orders and trips come and go in any order while decisions are made and orders
// confirmed: whatever happens, no seat is oversold and each order stands on one plan.
func TestAnythingMayHappenMeanwhile(t *testing.T) {
	for seed := range uint64(2) {
		w := newWorldWith(t, untilTrips)
		rng := rand.New(rand.NewPCG(seed, 4))
		w.run()
		w.h.WorkWith(jobstest.Config("orders", "match", "pay", "notify")) // and another worker
		var orders []Order
		var trips []trip.Trip
		for range 60 {
			switch n := rng.IntN(20); {
			case n < 7 || len(trips) == 0:
				from := float64(rng.IntN(5))
				trips = append(trips, w.along(from, from+25+float64(rng.IntN(15))))
			case n < 15 || len(orders) == 0:
				from := float64(rng.IntN(8))
				orders = append(orders, w.wants(from, from+10+float64(rng.IntN(15))))
			case n < 17:
				w.decides()
			case n < 19:
				o := orders[rng.IntN(len(orders))]
				if _, err := w.cancel(o.ID, o.RiderID); err != nil {
					t.Fatal(err)
				}
			default:
				w.tripCancelled(trips[rng.IntN(len(trips))])
			}
		}
		var all sync.WaitGroup
		for _, o := range orders {
			if rng.IntN(4) == 0 {
				all.Go(func() { _, _ = w.cancel(o.ID, o.RiderID) })
			}
		}
		all.Wait()
		waits := func(o Order) bool { s := w.get(o.ID).Status; return s == Matching || s == Matched }
		n := w.h.Events()["match:decide done"]
		w.h.Await("decisions", func() bool { return w.h.Events()["match:decide done"] > n+3 || !slices.ContainsFunc(orders, waits) })
		w.seatedOnce()
		count := map[Status]int{}
		for _, o := range orders {
			if w.get(o.ID).Status == Matching {
				_, _ = w.cancel(o.ID, o.RiderID)
			}
		}
		w.settled()
		w.seatedOnce()
		w.audited()
		moved := 0
		for _, o := range orders {
			now := w.get(o.ID)
			count[now.Status]++
			moved += now.Rematches
		}
		t.Logf("seed %d: %v, %d times on another trip", seed, count, moved)
		if count[Confirmed] == 0 {
			t.Error("nobody rides")
		}
	}
}
