package match

import (
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/geo"
)

// Fleet holds the paths of vehicles and searches them. It does no I/O, and the
// same calls give the same results. Not safe for concurrent use.
type Fleet struct {
	travel geo.Travel
	routes map[uuid.UUID]*route
	index  *index
	search searcher
}

// Placement is where an order rides, and when.
type Placement struct {
	Order     uuid.UUID
	Vehicle   uuid.UUID
	Added     time.Duration // driving
	PickupAt  time.Duration
	DropoffAt time.Duration
}

// NewFleet returns a fleet without vehicles.
func NewFleet(travel geo.Travel) *Fleet {
	return &Fleet{travel: travel, routes: map[uuid.UUID]*route{}, index: newIndex(travel.Pace())}
}

// Len returns how many vehicles there are.
func (f *Fleet) Len() int { return len(f.routes) }

// Put takes a vehicle in, or takes over how its path is now.
func (f *Fleet) Put(p Path) { f.set(newRoute(p, f.travel)) }

// Drop takes a vehicle out.
func (f *Fleet) Drop(vehicle uuid.UUID) {
	if r := f.routes[vehicle]; r != nil {
		f.index.remove(r)
		delete(f.routes, vehicle)
	}
}

// Move tells that a vehicle, on its way to its first stop, can turn at another spot
// now. It is cheaper than Put.
func (f *Fleet) Move(vehicle uuid.UUID, start geo.Spot, at time.Duration) {
	if r := f.routes[vehicle]; r != nil {
		f.set(r.from(start, at, f.travel))
	}
}

// Path returns the path of a vehicle.
func (f *Fleet) Path(vehicle uuid.UUID) (Path, bool) {
	r := f.routes[vehicle]
	if r == nil {
		return Path{}, false
	}
	return r.toPath(), true
}

// Insert puts the ride where it costs least: least added driving, then the
// earliest dropoff, then the smallest id of a vehicle. It returns false and
// changes nothing when no vehicle can serve it.
func (f *Fleet) Insert(ride Ride, now time.Duration) (Placement, bool) {
	in := f.find(ride, now)
	if in.route == nil {
		return Placement{}, false
	}
	r := in.route.with(in, ride, f.travel, now)
	f.set(r)
	return r.placement(ride.Order, in.added), true
}

// find returns the best insertion; its route is nil when there is none.
func (f *Fleet) find(ride Ride, now time.Duration) insertion {
	if !f.search.begin(f.travel, ride, now) {
		return insertion{}
	}
	f.search.search(f.index)
	return f.search.best
}

// set puts a route in the place of its vehicle's.
func (f *Fleet) set(r *route) {
	id := r.path.ID
	if old := f.routes[id]; old != nil {
		f.index.replace(old, r)
	} else {
		f.index.add(r)
	}
	f.routes[id] = r
}

// placement returns when the route serves an order.
func (r *route) placement(order uuid.UUID, added time.Duration) Placement {
	p := Placement{Order: order, Vehicle: r.path.ID, Added: added}
	for k, v := range r.stops() {
		switch before := r.visits[k]; {
		case v.order != order:
		case v.pickup:
			p.PickupAt = v.leave
		default:
			p.DropoffAt = before.leave + before.leg
		}
	}
	return p
}
