package match

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/geo"
	"github.com/spotpool/spotpool/internal/trip"
)

// town is a world of taxis for a dispatcher. They do not move by themselves.
type town struct {
	t       *testing.T
	rand    *rand.Rand
	d       *Dispatcher
	rides   map[uuid.UUID]Ride
	paths   map[uuid.UUID]Path
	rider   map[uuid.UUID]uuid.UUID // by order: its vehicle
	decided []Decision
}

func newTown(t *testing.T, vehicles int, s Settings) *town {
	w := &town{
		t: t, rand: rand.New(rand.NewPCG(7, 7)), d: NewDispatcher(geo.DefaultTravel, s),
		rides: map[uuid.UUID]Ride{}, paths: map[uuid.UUID]Path{}, rider: map[uuid.UUID]uuid.UUID{},
	}
	for i := range vehicles {
		p := Path{ID: uuid.UUID{1, byte(i)}, Seats: 3, Start: w.spot()}
		w.paths[p.ID] = p
		w.d.Put(p)
	}
	return w
}

func (w *town) spot() geo.Spot {
	return geo.Spot{Point: geo.Point{Lat: 31 + 0.05*w.rand.Float64(), Lng: 121 + 0.05*w.rand.Float64()}}
}

func (w *town) order(now time.Duration) uuid.UUID {
	r := Ride{Order: uuid.UUID{2, byte(len(w.rides))}, From: w.spot(), To: w.spot(), Seats: 1, Earliest: now, DecideBy: now + time.Minute}
	r.Latest = now + geo.DefaultTravel.Leg(r.From, r.To).Duration + 15*time.Minute
	w.rides[r.Order] = r
	w.follow(w.d.Order(r, now), now)
	return r.Order
}

func (w *town) tick(now time.Duration) { w.follow(w.d.Tick(now), now) }

// follow takes a decision over and checks it: plans keep every promise, no order that
// had a vehicle is left without one, and placements tell the truth.
func (w *town) follow(d Decision, now time.Duration) {
	w.t.Helper()
	w.decided = append(w.decided, d)
	for _, p := range d.Paths {
		w.paths[p.ID] = p
		if len(p.Stops) == 0 {
			continue
		}
		if got := drivePath(p, geo.DefaultTravel, max(now, p.LeaveAt)); !got.ok {
			w.t.Errorf("at %s vehicle %s gets a plan that breaks a promise: %+v", now, p.ID, p)
		}
	}
	rider := map[uuid.UUID]uuid.UUID{}
	for _, p := range w.paths {
		for _, s := range p.Stops {
			if s.Kind != trip.Pickup {
				continue
			}
			if _, twice := rider[s.Order]; twice {
				w.t.Errorf("at %s order %s is on two vehicles", now, s.Order)
			}
			rider[s.Order] = p.ID
		}
	}
	for order := range w.rider {
		if _, still := rider[order]; !still {
			w.t.Errorf("at %s order %s was dropped", now, order)
		}
	}
	for _, p := range d.Placed {
		if _, had := w.rider[p.Order]; had || rider[p.Order] != p.Vehicle || p.DropoffAt > w.rides[p.Order].Latest {
			w.t.Errorf("at %s: %+v", now, p)
		}
	}
	if len(d.Placed)+len(w.rider) != len(rider) {
		w.t.Errorf("at %s: %d placed, %d before, %d on vehicles", now, len(d.Placed), len(w.rider), len(rider))
	}
	w.rider = rider
}

// drive is how long all plans take to drive.
func (w *town) drive() (sum time.Duration) {
	for _, p := range w.paths {
		sum += drivePath(p, geo.DefaultTravel, 0).drive
	}
	return sum
}

// run brings orders for a while, told to their riders as they are placed.
func (w *town) run(orders int, tell bool) {
	for i := range orders {
		now := time.Duration(i) * 10 * time.Second
		w.order(now)
		if now >= w.d.Next() {
			w.tick(now)
		}
		for order, vehicle := range w.rider {
			if tell {
				w.d.Told(order, vehicle)
			}
		}
	}
	w.tick(time.Duration(orders) * 10 * time.Second)
}

func TestPoliciesKeepTheirWord(t *testing.T) {
	drives := map[string]time.Duration{}
	for name, s := range map[string]Settings{
		"instant":     {Policy: Instant},
		"windowed":    {Policy: Windowed},
		"best":        {Policy: Best, Moves: 60, Budget: time.Hour},
		"best, told":  {Policy: Best, Moves: 60, Budget: time.Hour, Lock: LockWhenTold},
		"best, held":  {Policy: Best, Moves: 60, Budget: time.Hour, Hold: time.Minute},
		"best, waits": {Policy: Best, Moves: 60, Budget: time.Hour, Waiting: 0.5},
		"late":        {Policy: Windowed, Unserved: 3, Late: true},
	} {
		t.Run(name, func(t *testing.T) {
			w, again := newTown(t, 10, s), newTown(t, 10, s)
			w.run(40, s.Lock == LockWhenTold)
			again.run(40, s.Lock == LockWhenTold)
			if !reflect.DeepEqual(w.decided, again.decided) {
				t.Error("the same orders were decided otherwise the second time")
			}
			if len(w.rider) < 10 {
				t.Errorf("only %d orders of 40 have a vehicle", len(w.rider))
			}
			drives[name] = w.drive()
			t.Logf("%d orders, %s to drive", len(w.rider), w.drive())
		})
	}
	if drives["best"] >= drives["instant"] || drives["best"] > drives["best, told"] {
		t.Errorf("the improvement does not pay: %v", drives)
	}
}

// moves has 30 orders come, one every five seconds, and returns how often one changed
// its vehicle; after each decision it calls then.
func (w *town) moves(then func()) (moved int) {
	for i := range 30 {
		before := w.rider
		w.order(time.Duration(i) * 5 * time.Second)
		w.tick(time.Duration(i) * 5 * time.Second)
		for order, vehicle := range before {
			if w.rider[order] != vehicle {
				moved++
			}
		}
		then()
	}
	return moved
}

// Who has been told of a vehicle stays on it; others move.
func TestToldOrdersStay(t *testing.T) {
	moved := map[Lock]int{}
	for _, lock := range []Lock{LockAtPickup, LockWhenTold} {
		w := newTown(t, 10, Settings{Policy: Best, Moves: 60, Budget: time.Hour, Lock: lock})
		moved[lock] = w.moves(func() {
			for order, vehicle := range w.rider {
				w.d.Told(order, vehicle)
			}
		})
	}
	if moved[LockAtPickup] == 0 || moved[LockWhenTold] != 0 {
		t.Errorf("moved: %v", moved)
	}
}

// The more it costs to move orders, the fewer move; new ones are not concerned.
func TestMovingHasItsPrice(t *testing.T) {
	moved := map[time.Duration]int{}
	for _, price := range []time.Duration{0, 2 * time.Minute, time.Hour} {
		w := newTown(t, 10, Settings{Policy: Best, Moves: 60, Budget: time.Hour, Moving: price})
		moved[price] = w.moves(func() {})
	}
	if moved[0] <= moved[2*time.Minute] || moved[2*time.Minute] == 0 || moved[time.Hour] > 1 {
		t.Errorf("moved: %v", moved)
	}
}

// An order that finds no vehicle waits until its time is up; one that is called off
// leaves its vehicle.
func TestOrdersComeAndGo(t *testing.T) {
	for _, policy := range []string{Instant, Windowed, Best} {
		t.Run(policy, func(t *testing.T) {
			w := newTown(t, 0, Settings{Policy: policy, Moves: 10})
			hopeless := w.order(0)
			w.tick(time.Minute)
			if w.d.Waiting() != 1 {
				t.Fatal("the order does not wait")
			}
			w.tick(time.Minute + 1)
			if last := w.decided[len(w.decided)-1]; w.d.Waiting() != 0 || !slices.Equal(last.Lost, []uuid.UUID{hopeless}) {
				t.Errorf("waiting %d, lost %v", w.d.Waiting(), last.Lost)
			}

			p := Path{ID: uuid.UUID{1}, Seats: 3, Start: w.spot()}
			w.d.Put(p)
			order := w.order(time.Hour)
			w.tick(time.Hour)
			if w.rider[order] != p.ID {
				t.Fatalf("order on %v", w.rider)
			}
			w.rider = map[uuid.UUID]uuid.UUID{}
			w.follow(w.d.Cancel(order, p.ID, time.Hour), time.Hour)
			if len(w.paths[p.ID].Stops) != 0 {
				t.Errorf("stops left: %+v", w.paths[p.ID].Stops)
			}
			w.d.Drop(p.ID)
			w.order(2 * time.Hour)
			w.tick(2 * time.Hour)
			if len(w.rider) != 0 {
				t.Error("an order is on a vehicle that is gone")
			}
		})
	}
}

// Two orders and two vehicles: the first order takes the vehicle that only the second
// can use, unless they are decided together.
func TestOrdersOfAWindowAreDecidedTogether(t *testing.T) {
	at := func(minute float64) geo.Spot { return geo.Spot{Point: mark(minute).Point} }
	for policy, want := range map[string]int{Instant: 1, Windowed: 2} {
		d := NewDispatcher(minutes{}, Settings{Policy: policy, Window: 30 * time.Second})
		d.Put(Path{ID: uuid.UUID{1}, Seats: 1, Start: at(0)})
		d.Put(Path{ID: uuid.UUID{2}, Seats: 1, Start: at(11)})
		var placed []Placement
		for i, from := range []float64{6, 16} {
			ride := Ride{Order: uuid.UUID{9, byte(i)}, From: at(from), To: at(from + 10), Seats: 1, Latest: 16 * time.Minute, DecideBy: time.Hour}
			placed = append(placed, d.Order(ride, 0).Placed...)
		}
		placed = append(placed, d.Tick(0).Placed...)
		if len(placed) != want {
			t.Errorf("%s: %s", policy, fmt.Sprint(placed))
		}
	}
}
