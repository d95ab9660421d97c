package match

import (
	"slices"
	"time"
)

// choices is how many vehicles an order is offered to in one round of assignment.
const choices = 24

// pairing is what a round of assignment has decided for one ride.
type pairing struct {
	ride Ride
	in   insertion // its route is nil: no vehicle
}

// assign decides the waiting orders together, at most one for a vehicle a round,
// until a round finds no place for any.
func (d *Dispatcher) assign() {
	for again := true; again && !d.set.stopped(); {
		again = false
		left := d.waiting[:0]
		for _, p := range d.pair() {
			if p.in.route == nil || d.later(p) {
				left = append(left, p.ride)
				continue
			}
			d.fleet.insert(p.ride, p.in)
			d.new[p.ride.Order] = true
			again = true
		}
		d.waiting = left
	}
}

// later reports whether a pair may be decided in the next window as well.
func (d *Dispatcher) later(p pairing) bool {
	if !d.set.Late {
		return false
	}
	r := p.in.route.with(p.in, p.ride, d.fleet.travel, d.fleet.now)
	leaves := r.visits[0].due
	if r.path.LeaveAt > d.fleet.now {
		leaves = min(leaves, r.path.LeaveAt)
	}
	return p.ride.DecideBy >= d.next && leaves >= d.next
}

// pair assigns the waiting rides to vehicles so that the sum of the costs is least
// among all ways that serve as many of them as can be.
func (d *Dispatcher) pair() []pairing {
	pairs := make([]pairing, len(d.waiting))
	offers := make([][]insertion, len(d.waiting))
	for i, ride := range d.waiting {
		pairs[i].ride = ride
		offers[i] = slices.Clone(d.fleet.find(ride, d.choices(), d.worth(ride)))
	}
	columns := map[*route]int{}
	costs := make([][]option, len(pairs))
	for i := range offers {
		for _, in := range offers[i] {
			c, ok := columns[in.route]
			if !ok {
				c = len(columns)
				columns[in.route] = c
			}
			costs[i] = append(costs[i], option{c, in.cost})
		}
	}
	alone := make([]time.Duration, len(pairs))
	for i, ride := range d.waiting {
		alone[i] = d.set.loss(d.fleet, ride)
	}
	for i, k := range cheapest(costs, alone, len(columns)) {
		if k >= 0 {
			pairs[i].in = offers[i][k]
		}
	}
	return pairs
}

// choices returns how many vehicles a ride is offered to. Who decides late wants to
// know of all that may turn out to be needed.
func (d *Dispatcher) choices() int {
	if d.set.Late {
		return 4 * choices
	}
	return choices
}
