package match

import (
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/geo"
)

// fleet holds the routes of vehicles, searches them and changes them.
type fleet struct {
	travel  geo.Travel
	now     time.Duration
	waiting float64 // weight of riders' waiting
	routes  map[uuid.UUID]*route
	index   *index
	before  map[uuid.UUID]*route // as they were before plans were changed at now
	search  searcher
}

func newFleet(travel geo.Travel, waiting float64) *fleet {
	f := &fleet{
		travel: travel, waiting: waiting, index: newIndex(travel),
		routes: map[uuid.UUID]*route{}, before: map[uuid.UUID]*route{},
	}
	f.search.waiting = waiting
	return f
}

// set puts a route in the place of its vehicle's.
func (f *fleet) set(r *route) {
	id := r.path.ID
	if old := f.routes[id]; old != nil {
		f.index.replace(old, r)
	} else {
		f.index.add(r)
	}
	f.routes[id] = r
}

// drop takes a vehicle out.
func (f *fleet) drop(vehicle uuid.UUID) {
	if r := f.routes[vehicle]; r != nil {
		f.index.remove(r)
		delete(f.routes, vehicle)
	}
}

// find returns the best insertions of a ride that cost no more than the limit,
// best first: at most so many, one a vehicle. The list is overwritten by the next call.
func (f *fleet) find(ride Ride, most int, limit time.Duration) []insertion {
	if !f.search.begin(f.travel, ride, f.now) {
		return nil
	}
	f.search.most, f.search.limit = most, limit
	f.search.search(f.index)
	return f.search.found
}

// insert carries out an insertion of the ride.
func (f *fleet) insert(ride Ride, in insertion) { f.change(in.route.with(in, ride, f.travel, f.now)) }

// remove takes an order out of a vehicle's plan.
func (f *fleet) remove(r *route, order uuid.UUID) { f.change(r.without(order, f.travel, f.now)) }

// change gives a vehicle another plan.
func (f *fleet) change(r *route) {
	id := r.path.ID
	if _, ok := f.before[id]; !ok {
		f.before[id] = f.routes[id]
	}
	f.set(r)
}

// cost returns what a route costs: the driving, and what the waiting of the riders
// weighs who are to be picked up.
func (f *fleet) cost(r *route) time.Duration {
	cost := r.drive()
	if f.waiting == 0 {
		return cost
	}
	for i := range r.stops() {
		if v := &r.stops()[i]; v.pickup {
			cost += time.Duration(f.waiting * float64(max(v.leave, f.now+v.driven)-v.earliest))
		}
	}
	return cost
}
