package match

import (
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/geo"
)

// Settings say how a Dispatcher decides.
type Settings struct {
	Policy string // Instant, Windowed or Best
	// Window is how often waiting orders are decided; the instant policy tries
	// those again that had no place.
	Window time.Duration
}

// The policies.
const (
	Instant  = "instant"
	Windowed = "windowed"
	Best     = "best"
)

// Dispatcher decides on which vehicles orders ride, on the clock of its caller: it
// does no I/O and starts nothing by itself. The world tells it of orders and of
// vehicles that move, calls Tick when Next says so, and carries out what it decides.
// Not safe for concurrent use.
type Dispatcher struct {
	fleet   *Fleet
	set     Settings
	waiting []Ride
	next    time.Duration
	out     Decision
}

// Decision is what has changed by one call.
type Decision struct {
	Paths  []Path      // of the vehicles whose stops have changed
	Placed []Placement // orders that had no vehicle before
	Lost   []uuid.UUID // orders that are given up
}

// NewDispatcher returns a dispatcher without vehicles and orders.
func NewDispatcher(travel geo.Travel, s Settings) *Dispatcher {
	return &Dispatcher{fleet: NewFleet(travel), set: s}
}

// Put takes a vehicle in, or takes over how its path is now: the world calls it
// when a stop has been made, without that stop.
func (d *Dispatcher) Put(p Path) { d.fleet.Put(p) }

// Move tells that a vehicle on its way to its first stop has passed the spot where
// it could turn: the next one is start, where it will be at that time.
func (d *Dispatcher) Move(vehicle uuid.UUID, start geo.Spot, at time.Duration) {
	d.fleet.Move(vehicle, start, at)
}

// Drop takes a vehicle out, with all orders on it.
func (d *Dispatcher) Drop(vehicle uuid.UUID) { d.fleet.Drop(vehicle) }

// Order makes an order known at now.
func (d *Dispatcher) Order(ride Ride, now time.Duration) Decision {
	d.waiting = append(d.waiting, ride)
	if d.set.Policy == Instant {
		return d.Tick(now)
	}
	return Decision{}
}

// Next returns when Tick is to be called next.
func (d *Dispatcher) Next() time.Duration { return d.next }

// Waiting returns how many orders have no vehicle yet.
func (d *Dispatcher) Waiting() int { return len(d.waiting) }

// Tick decides what is due at now.
func (d *Dispatcher) Tick(now time.Duration) Decision {
	d.out = Decision{}
	d.next = now + d.set.Window
	left := d.waiting[:0]
	for _, ride := range d.waiting {
		if now > ride.DecideBy {
			d.out.Lost = append(d.out.Lost, ride.Order)
			continue
		}
		p, ok := d.fleet.Insert(ride, now)
		switch {
		case ok:
			d.out.Placed = append(d.out.Placed, p)
			path, _ := d.fleet.Path(p.Vehicle)
			d.out.Paths = append(d.out.Paths, path)
		case now >= ride.DecideBy:
			d.out.Lost = append(d.out.Lost, ride.Order)
		default:
			left = append(left, ride)
		}
	}
	d.waiting = left
	return d.out
}
