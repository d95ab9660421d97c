package match

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/trip"
)

// decides makes the world's service decide by a policy.
func (w *world) decides(l Live) *world {
	l.Window, l.Budget = 5*time.Second, 50*time.Millisecond
	w.Service.db, w.Service.live = w.db, l
	return w
}

// from is a trip along the street from one mark to another, leaving ten minutes after noon.
func (w *world) from(from, to float64, seats int, detour time.Duration) (t trip.Trip) {
	w.t.Helper()
	w.tx(func(tx *db.Tx) (err error) {
		t, err = w.trips.Offer(tx, trip.Offer{
			DriverID: uuid.New(), Origin: mark(from), Dest: new(mark(to)), DepartAt: at(10), Seats: seats, MaxDetour: &detour,
		})
		return err
	})
	return t
}

func (w *world) taxi(from float64, seats int) (t trip.Trip) {
	w.t.Helper()
	w.tx(func(tx *db.Tx) (err error) {
		t, err = w.trips.Offer(tx, trip.Offer{DriverID: uuid.New(), Origin: mark(from), DepartAt: at(10), Seats: seats})
		return err
	})
	return t
}

// wants is an order that waits.
func (w *world) wants(from, to float64, earliest, latest int) uuid.UUID {
	req := ask(from, to, 1, earliest, latest)
	req.DecideBy = at(60)
	return w.book.add(req)
}

// passed makes a pass and checks what came of it, the rules included.
func (w *world) passed(want outcome) {
	w.t.Helper()
	got, err := w.pass(w.t.Context())
	if err != nil || got != want {
		w.t.Errorf("a pass came to %+v, %v; want %+v", got, err, want)
	}
	w.sound()
}

// sound checks that every order placed stands on the plan of its trip, on no other,
// and that plans keep their promises.
func (w *world) sound() {
	w.t.Helper()
	placed, err := w.book.trips(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	all, err := w.trips.List(w.t.Context(), uuid.Nil, 100)
	if err != nil {
		w.t.Fatal(err)
	}
	on := 0
	for _, t := range all {
		for _, order := range t.Plan.Orders() {
			on++
			if placed[order] != t.ID {
				w.t.Errorf("order %s is on the plan of %s and placed on %s", order, t.ID, placed[order])
			}
		}
	}
	if on != len(placed) {
		w.t.Errorf("%d orders on plans, %d placed", on, len(placed))
	}
	for _, rule := range []func(context.Context) ([]string, error){w.trips.Oversold, w.trips.PlanOrder} {
		if found, err := rule(w.t.Context()); err != nil || found != nil {
			w.t.Errorf("audit: %q, %v", found, err)
		}
	}
}

// on returns the trip of an order, Nil when it has none.
func (w *world) on(order uuid.UUID) uuid.UUID {
	w.t.Helper()
	placed, err := w.book.trips(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return placed[order]
}

// Two orders and two taxis: the first order is cheapest on the taxi that only the
// second can use. Decided as they come, one is left; decided together, both ride.
func TestOrdersThatGatherAreDecidedTogether(t *testing.T) {
	for policy, want := range map[string]int{Instant: 1, Windowed: 2, Best: 2} {
		t.Run(policy, func(t *testing.T) {
			w := newWorld(t).decides(Live{Policy: policy})
			far, near := w.taxi(0, 1), w.taxi(11, 1)
			first, second := w.wants(6, 16, 0, 26), w.wants(16, 26, 0, 26)
			if policy == Instant {
				for _, order := range []uuid.UUID{first, second} {
					if err := w.place(t.Context(), order, w.db.Tx); err != nil && !putOff(err) {
						t.Fatal(err)
					}
				}
			} else {
				w.passed(outcome{waited: 2, placed: 2})
				if w.on(first) != far.ID || w.on(second) != near.ID || len(w.waker.woken) != 2 {
					t.Errorf("on %s and %s; woke %v", w.on(first), w.on(second), w.waker.woken)
				}
			}
			if placed := w.book.placed(t); len(placed) != want {
				t.Errorf("%d placed, want %d", len(placed), want)
			}
		})
	}
}

// An order sits on the only trip that another can use, though it could use the other
// trip as well. It moves, unless it is locked.
func TestOrdersMoveUntilTheyAreLocked(t *testing.T) {
	for name, c := range map[string]struct {
		live  Live
		told  bool
		moves bool
	}{
		"windowed":              {Live{Policy: Windowed}, false, false},
		"until told":            {Live{Policy: Best, Lock: LockWhenTold}, false, true},
		"told":                  {Live{Policy: Best, Lock: LockWhenTold}, true, false},
		"told, until departure": {Live{Policy: Best, Lock: LockAtPickup}, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t).decides(c.live)
			short := w.from(0, 30, 1, 0)
			first := w.wants(5, 25, 0, 60)
			w.passed(outcome{waited: 1, placed: 1})
			if c.told {
				w.book.tell(first)
			}
			long := w.from(2, 40, 1, 0)
			second := w.wants(0, 30, 0, 60) // begins where only the first trip passes
			if !c.moves {
				w.passed(outcome{waited: 1})
				if w.on(first) != short.ID || w.on(second) != uuid.Nil {
					t.Errorf("on %s and %s", w.on(first), w.on(second))
				}
				return
			}
			w.passed(outcome{waited: 1, placed: 1, moved: 1})
			if w.on(first) != long.ID || w.on(second) != short.ID {
				t.Errorf("on %s and %s", w.on(first), w.on(second))
			}
		})
	}
}

// Nobody is moved for less than it is worth.
func TestSmallGainsMoveNobody(t *testing.T) {
	w := newWorld(t).decides(Live{Policy: Best, Lock: LockAtPickup})
	w.from(0, 30, 1, 10*time.Minute)
	order := w.wants(5.25, 25, 0, 60)
	w.passed(outcome{waited: 1, placed: 1})
	better := w.from(5, 24.9, 1, 10*time.Minute) // saves seconds at the most
	w.wants(200, 210, 0, 60)
	w.passed(outcome{waited: 1})
	if w.on(order) == better.ID {
		t.Error("it has moved")
	}
}

func TestAChangeMustPay(t *testing.T) {
	one := []Move{{}}
	for _, c := range []struct {
		placed, moved []Move
		saves         time.Duration
		want          bool
	}{
		{one, one, -time.Hour, true},
		{nil, one, 2 * time.Minute, false},
		{nil, one, 2*time.Minute + 1, true},
		{nil, nil, 0, false}, // stops in another order
		{nil, nil, 1, true},
	} {
		ch := change{plans: []replan{{saves: c.saves / 2}, {saves: c.saves - c.saves/2}}, placed: c.placed, moved: c.moved}
		if ch.pays(2*time.Minute) != c.want {
			t.Errorf("%+v", c)
		}
	}
}

// Between decision and commit, others change a trip, an order, or both: what that
// concerns comes to nothing as a whole, the rest is carried out.
func TestALostRaceLeavesNothingHalfDone(t *testing.T) {
	for name, meanwhile := range map[string]func(w *world, first uuid.UUID, short, long trip.Trip){
		"one trip changes": func(w *world, _ uuid.UUID, _, long trip.Trip) {
			w.tx(func(tx *db.Tx) error { return w.trips.Assign(tx, w.stored(long.ID), w.stored(long.ID).Version) })
		},
		"one trip is called off": func(w *world, _ uuid.UUID, short, _ trip.Trip) {
			w.tx(func(tx *db.Tx) error {
				_, err := w.trips.Cancel(tx, short.ID, short.DriverID)
				return err
			})
		},
		"the order that moves is gone": func(w *world, first uuid.UUID, short, _ trip.Trip) {
			w.tx(func(tx *db.Tx) error { return tx.Exec("DELETE FROM placed WHERE order_id = ?", first).Error })
		},
		"the order that comes is on another trip": func(w *world, _ uuid.UUID, _, _ trip.Trip) {
			elsewhere := w.taxi(0, 1)
			var second uuid.UUID
			for id, r := range w.book.requests {
				if r.Origin == mark(0) {
					second = id
				}
			}
			up, down := w.book.requests[second].stops()
			elsewhere.Plan = trip.Plan{up, down}
			w.tx(func(tx *db.Tx) error {
				if err := w.trips.Assign(tx, elsewhere.Reschedule(minutes{}), 1); err != nil {
					return err
				}
				return w.book.Matched(tx, second, elsewhere.ID, at(10), at(40))
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t).decides(Live{Policy: Best, Lock: LockAtPickup})
			short := w.from(0, 30, 1, 0)
			first := w.wants(5, 25, 0, 60)
			w.passed(outcome{waited: 1, placed: 1})
			long := w.from(2, 40, 1, 0)
			w.wants(0, 30, 0, 60)
			bystander, other := w.from(100, 130, 1, 0), w.wants(105, 125, 0, 60)
			changes := w.planned()
			if len(changes) != 2 {
				t.Fatalf("%d changes, want 2", len(changes))
			}
			before := []trip.Trip{w.stored(short.ID), w.stored(long.ID)}
			meanwhile(w, first, short, long)
			out, err := w.carryOut(t.Context(), outcome{}, changes)
			if want := (outcome{placed: 1, lost: 1}); err != nil || out != want {
				t.Errorf("came to %+v, %v; want %+v", out, err, want)
			}
			if w.on(other) != bystander.ID {
				t.Error("an order that nothing happened to was left")
			}
			for _, b := range before {
				if now := w.stored(b.ID); !slices.Equal(now.Plan.Orders(), b.Plan.Orders()) {
					t.Errorf("trip %s has changed from %v to %v", b.ID, b.Plan, now.Plan)
				}
			}
			if name != "the order that moves is gone" {
				w.sound()
			}
		})
	}
}

// An order whose people are told between decision and commit stays, by default.
func TestWhoIsToldMeanwhileStays(t *testing.T) {
	for lock, want := range map[Lock]outcome{LockWhenTold: {lost: 1}, LockAtPickup: {placed: 1, moved: 1}} {
		w := newWorld(t).decides(Live{Policy: Best, Lock: lock})
		w.from(0, 30, 1, 0)
		first := w.wants(5, 25, 0, 60)
		w.passed(outcome{waited: 1, placed: 1})
		w.from(2, 40, 1, 0)
		w.wants(0, 30, 0, 60)
		changes := w.planned()
		w.book.tell(first)
		if out, err := w.carryOut(t.Context(), outcome{}, changes); err != nil || out != want {
			t.Errorf("lock %v: %+v, %v; want %+v", lock, out, err, want)
		}
		w.sound()
	}
}

// planned is a decision that is not carried out yet.
func (w *world) planned() []*change {
	w.t.Helper()
	if err := w.board.Refresh(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	waiting, err := w.book.Waiting(w.t.Context(), w.book.asked, passMost)
	if err != nil {
		w.t.Fatal(err)
	}
	stays, err := w.staying(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return w.plan(w.t.Context(), waiting, stays, w.clock.Now())
}

// Four workers decide at once, over and over, about the same orders and seats.
func TestDecidersMayOverlap(t *testing.T) {
	for _, policy := range []string{Windowed, Best} {
		t.Run(policy, func(t *testing.T) {
			w := newWorld(t).decides(Live{Policy: policy, Lock: LockAtPickup})
			for i := range 6 {
				w.from(float64(i), float64(30+i), 2, 10*time.Minute)
			}
			for i := range 20 {
				w.wants(5+float64(i%7), 20+float64(i%5), 0, 60)
			}
			var gate, all sync.WaitGroup
			gate.Add(1)
			for range 4 {
				s := w.worker()
				s.db, s.live = w.db, w.live
				all.Go(func() {
					gate.Wait()
					for range 5 {
						if _, err := s.pass(t.Context()); err != nil {
							t.Error(err)
						}
					}
				})
			}
			gate.Done()
			all.Wait()
			w.sound()
			if n := len(w.book.placed(t)); n < 12 {
				t.Errorf("%d placed of 20 on 12 seats", n)
			}
		})
	}
}

func TestAPassStopsWithItsContext(t *testing.T) {
	w := newWorld(t).decides(Live{Policy: Best})
	w.live.Budget = time.Hour
	w.from(0, 30, 4, 10*time.Minute)
	w.wants(5, 25, 0, 60)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if out, err := w.pass(ctx); err == nil || out.placed != 0 || len(w.book.placed(t)) != 0 {
		t.Errorf("came to %+v, %v", out, err)
	}
}
