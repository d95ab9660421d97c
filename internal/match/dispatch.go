package match

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/geo"
)

// Settings say how a Dispatcher decides.
type Settings struct {
	Policy string // Instant, Windowed or Best
	// Window is how often orders that wait are decided; 0 is what suits the policy.
	Window time.Duration
	// Unserved is what it costs to leave an order unserved, as a multiple of driving
	// it directly. 0 serves whatever can be served.
	Unserved float64
	// Waiting is what a second costs that a rider waits to be picked up, in seconds
	// of driving. 0 is what suits the policy, less than 0 is nothing.
	Waiting float64
	// Late decides orders as late as they and the vehicles allow; until then,
	// tentative decisions are made anew in each window. Not for the instant policy.
	Late bool
	// Hold is how long a vehicle that stood idle stays after it got its first order,
	// so that its plan can still get better, but for no more than half of the time
	// that there is. 0 is what suits the policy, less than 0 is not at all.
	Hold time.Duration
	// Moving is what it costs to move an order to another vehicle, in driving time, once
	// it has been handed out with one.
	Moving time.Duration
	// Lock says from when on an order stays on its vehicle: LockAtPickup or LockWhenTold.
	Lock Lock
	// Moves and Budget end an improvement, whichever comes first: attempts, and time
	// on the wall by Clock. 0 moves is no limit; 0 budget is what suits the policy.
	Moves  int
	Budget time.Duration
	Clock  clock.Clock // nil: the system's
	Seed   uint64      // of the improvement's random choices
	// Stop ends a Tick early when it is closed; nil: nothing does. What has been
	// decided by then holds.
	Stop <-chan struct{}
}

func (s *Settings) stopped() bool {
	select {
	case <-s.Stop:
		return true
	default:
		return false
	}
}

// The policies.
const (
	Instant  = "instant"  // an order is decided when it comes
	Windowed = "windowed" // the orders of a window are decided together
	Best     = "best"     // the same, and orders that are not locked move to where they cost less
)

// Lock says from when on an order may not move to another vehicle.
type Lock int

// The locks.
const (
	LockAtPickup Lock = iota
	LockWhenTold
)

// withDefaults fills in what suits the policy.
func (s Settings) withDefaults() Settings {
	if s.Window == 0 {
		s.Window = map[string]time.Duration{Instant: time.Second, Windowed: 15 * time.Second, Best: 5 * time.Second}[s.Policy]
	}
	if s.Waiting == 0 && s.Policy == Best {
		s.Waiting = 0.2 // a rider picked up soon also frees the seat soon
	}
	if s.Hold == 0 && s.Policy == Best {
		s.Hold = 20 * time.Second
	}
	if s.Budget == 0 {
		s.Budget = 100 * time.Millisecond
	}
	if s.Clock == nil {
		s.Clock = clock.System{}
	}
	return s
}

// Dispatcher decides on which vehicles orders ride, on the clock of its caller: it
// does no I/O and starts nothing by itself. The world tells it of orders and of
// vehicles that move, calls Tick when Next says so, and carries out what it decides.
// Not safe for concurrent use.
type Dispatcher struct {
	fleet   *fleet
	set     Settings
	waiting []Ride // by when they came
	next    time.Duration
	improve *improver
	new     map[uuid.UUID]bool // placed since the last decision was handed out
}

// Decision is what has changed by one call.
type Decision struct {
	Paths  []Path      // of the vehicles whose stops or leaving have changed, by id
	Placed []Placement // orders that had no vehicle before
	Lost   []uuid.UUID // orders that are given up
}

// Placement is where an order rides, and when.
type Placement struct {
	Order     uuid.UUID
	Vehicle   uuid.UUID
	PickupAt  time.Duration
	DropoffAt time.Duration
}

// NewDispatcher returns a dispatcher without vehicles and orders.
func NewDispatcher(travel geo.Travel, s Settings) *Dispatcher {
	s = s.withDefaults()
	f := newFleet(travel, max(0, s.Waiting))
	return &Dispatcher{fleet: f, set: s, improve: newImprover(f, s), new: map[uuid.UUID]bool{}}
}

// Put takes a vehicle in, or takes over how its path is now: the world calls it
// when a stop has been made, without that stop.
func (d *Dispatcher) Put(p Path) { d.fleet.set(newRoute(p, d.fleet.travel)) }

// Move tells that a vehicle on its way to its first stop has passed the spot where
// it could turn: the next one is start, where it will be at that time.
func (d *Dispatcher) Move(vehicle uuid.UUID, start geo.Spot, at time.Duration) {
	if r := d.fleet.routes[vehicle]; r != nil {
		d.fleet.set(r.from(start, at, d.fleet.travel))
	}
}

// Drop takes a vehicle out, with whatever is in its plan.
func (d *Dispatcher) Drop(vehicle uuid.UUID) { d.fleet.drop(vehicle) }

// Told tells that the rider knows the vehicle: with LockWhenTold the order stays on it.
func (d *Dispatcher) Told(order, vehicle uuid.UUID) {
	if r := d.fleet.routes[vehicle]; r != nil && d.set.Lock == LockWhenTold {
		d.fleet.set(r.tell(order))
	}
}

// Cancel takes an order back that has not been picked up. It returns the vehicle's
// path when it was on one.
func (d *Dispatcher) Cancel(order, vehicle uuid.UUID, now time.Duration) Decision {
	d.waiting = slices.DeleteFunc(d.waiting, func(r Ride) bool { return r.Order == order })
	d.fleet.now = now
	if r := d.fleet.routes[vehicle]; r != nil {
		d.fleet.remove(r, order)
	}
	return d.decision(nil)
}

// Order makes an order known at now. The instant policy decides it at once.
func (d *Dispatcher) Order(ride Ride, now time.Duration) Decision {
	d.fleet.now = now
	if d.set.Policy == Instant && d.place(ride) {
		return d.decision(nil)
	}
	d.waiting = append(d.waiting, ride)
	return Decision{}
}

// Next returns when Tick is to be called next.
func (d *Dispatcher) Next() time.Duration { return d.next }

// Waiting returns how many orders have no vehicle yet.
func (d *Dispatcher) Waiting() int { return len(d.waiting) }

// Tick decides what is due at now.
func (d *Dispatcher) Tick(now time.Duration) Decision {
	d.fleet.now, d.next = now, now+d.set.Window
	lost := d.giveUp()
	switch d.set.Policy {
	case Instant:
		d.waiting = slices.DeleteFunc(d.waiting, d.place)
	case Windowed:
		d.assign()
	case Best:
		d.waiting = slices.DeleteFunc(d.waiting, d.place)
		for _, order := range d.improve.run(d.waiting, d.new) {
			d.new[order] = true
		}
		d.waiting = slices.DeleteFunc(d.waiting, func(r Ride) bool { return d.new[r.Order] })
	}
	d.hold()
	return d.decision(lost)
}

// giveUp takes the orders out that waited for too long.
func (d *Dispatcher) giveUp() (lost []uuid.UUID) {
	d.waiting = slices.DeleteFunc(d.waiting, func(r Ride) bool {
		if late := d.fleet.now > r.DecideBy; late {
			lost = append(lost, r.Order)
			return true
		}
		return false
	})
	return lost
}

// place puts a ride where it costs least and reports whether it could.
func (d *Dispatcher) place(ride Ride) bool {
	found := d.fleet.find(ride, 1, d.worth(ride))
	if len(found) == 0 {
		return false
	}
	d.fleet.insert(ride, found[0])
	d.new[ride.Order] = true
	return true
}

// worth returns what serving a ride may cost.
func (d *Dispatcher) worth(ride Ride) time.Duration {
	if d.set.Unserved == 0 {
		return NoLimit
	}
	return d.set.loss(d.fleet, ride)
}

// loss returns what leaving a ride unserved counts: more than any detour, unless it
// is said what it costs.
func (s *Settings) loss(f *fleet, ride Ride) time.Duration {
	if s.Unserved == 0 {
		return 24 * time.Hour
	}
	return time.Duration(s.Unserved * float64(f.travel.Leg(ride.From, ride.To).Duration))
}

// hold keeps the vehicles for a while that have just got something to do.
func (d *Dispatcher) hold() {
	now := d.fleet.now
	for _, r := range d.fleet.index.slots {
		if d.set.Hold <= 0 || r == nil || len(r.stops()) == 0 || max(r.path.StartAt, r.path.LeaveAt) > now {
			continue
		}
		half := now + max(0, r.visits[0].due-now)/2
		if old := d.fleet.before[r.path.ID]; old != nil && len(old.stops()) == 0 {
			d.fleet.change(r.leaving(min(now+d.set.Hold, half)))
		}
	}
}

// decision hands out what has changed since the last one.
func (d *Dispatcher) decision(lost []uuid.UUID) Decision {
	out := Decision{Lost: lost}
	for id, old := range d.fleet.before {
		r := d.fleet.routes[id]
		if r == nil || r.sameStops(old) && r.path.LeaveAt == old.path.LeaveAt {
			continue
		}
		p := r.toPath()
		p.LeaveAt = min(p.LeaveAt, max(d.fleet.now, r.visits[0].due))
		out.Paths = append(out.Paths, p)
		for _, v := range r.stops() {
			if v.pickup && d.new[v.order] {
				out.Placed = append(out.Placed, r.placement(v.order))
			}
		}
	}
	slices.SortFunc(out.Paths, func(a, b Path) int { return compare(a.ID, b.ID) })
	slices.SortFunc(out.Placed, func(a, b Placement) int { return compare(a.Order, b.Order) })
	clear(d.fleet.before)
	clear(d.new)
	return out
}
