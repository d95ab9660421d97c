package match

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/geo"
)

// with returns the route with the ride put where the insertion says; it leaves
// its start at now at the earliest.
func (r *route) with(in insertion, ride Ride, travel geo.Travel, now time.Duration) *route {
	visits := make([]visit, 0, len(r.visits)+2)
	visits = append(visits, r.visits[:in.pickup+1]...)
	visits = append(visits, visit{
		Spot: ride.From, vector: vector(ride.From.Point), order: ride.Order, pickup: true, change: ride.Seats,
		earliest: ride.Earliest, promise: NoLimit,
	})
	visits = append(visits, r.visits[in.pickup+1:in.dropoff+1]...)
	visits = append(visits, visit{
		Spot: ride.To, vector: vector(ride.To.Point), order: ride.Order, change: -ride.Seats, promise: ride.Latest,
	})
	n := r.changed(append(visits, r.visits[in.dropoff+1:]...), now)
	up, down := in.pickup+1, in.dropoff+2
	for _, k := range [...]int{up - 1, up, down - 1, down} {
		n.measure(k, travel)
	}
	n.schedule()
	return n
}

// without returns the route without the stops of an order.
func (r *route) without(order uuid.UUID, travel geo.Travel, now time.Duration) *route {
	n := r.changed(make([]visit, 0, len(r.visits)), now)
	gone := false // whether the visit before was left out
	for k, v := range r.visits {
		if k > 0 && k < r.last() && v.order == order {
			gone = true
			continue
		}
		n.visits = append(n.visits, v)
		if before := len(n.visits) - 2; gone {
			n.visits[before].leg = 0
			if k < r.last() || r.path.End != nil {
				n.visits[before].leg = travel.Leg(n.visits[before].Spot, v.Spot).Duration
			}
			gone = false
		}
	}
	n.schedule()
	return n
}

// from returns the route as it starts from another spot.
func (r *route) from(start geo.Spot, at time.Duration, travel geo.Travel) *route {
	n := r.changed(slices.Clone(r.visits), at)
	n.path.Start, n.path.StartAt = start, at
	n.visits[0].Spot, n.visits[0].vector = start, vector(start.Point)
	n.measure(0, travel)
	n.schedule()
	return n
}

// changed returns a copy with other visits that starts at now at the earliest.
func (r *route) changed(visits []visit, now time.Duration) *route {
	n := &route{path: r.path, visits: visits}
	n.path.StartAt = max(n.path.StartAt, now)
	return n
}

// ride returns what the order of a pickup asks, with the promise of its dropoff.
func (r *route) ride(order uuid.UUID) (ride Ride, ok bool) {
	for _, v := range r.stops() {
		switch {
		case v.order != order:
		case v.pickup:
			ride = Ride{Order: order, From: v.Spot, Seats: v.change, Earliest: v.earliest}
			ok = true
		default:
			ride.To, ride.Latest = v.Spot, v.promise
		}
	}
	return ride, ok
}

// tell returns the route with an order that stays on it.
func (r *route) tell(order uuid.UUID) *route {
	n := r.changed(slices.Clone(r.visits), r.path.StartAt)
	for i := range n.stops() {
		if v := &n.stops()[i]; v.order == order {
			v.told = true
		}
	}
	return n
}

// staying returns a copy of the route for another index, with the orders marked that
// stay on it.
func (r *route) staying(stays func(order uuid.UUID) bool) *route {
	n := &route{path: r.path, visits: slices.Clone(r.visits)}
	for i := range n.stops() {
		if v := &n.stops()[i]; v.pickup {
			v.told = stays(v.order)
		}
	}
	return n
}

// leaving returns the route as it leaves its start at a time.
func (r *route) leaving(at time.Duration) *route {
	n := r.changed(r.visits, r.path.StartAt)
	n.path.LeaveAt = at
	return n
}

// sameStops reports whether two routes of a vehicle make the same stops.
func (r *route) sameStops(o *route) bool {
	return slices.EqualFunc(r.stops(), o.stops(), func(a, b visit) bool { return a.order == b.order && a.pickup == b.pickup })
}

// placement returns when the route serves an order.
func (r *route) placement(order uuid.UUID) Placement {
	p := Placement{Order: order, Vehicle: r.path.ID}
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
