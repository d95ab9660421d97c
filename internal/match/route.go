package match

import (
	"time"

	"github.com/golang/geo/r3"
	"github.com/golang/geo/s2"

	"github.com/spotpool/spotpool/internal/geo"
	"github.com/spotpool/spotpool/internal/trip"
)

// route is a trip prepared for searching. It never changes. Times count from
// the trip's departure; spots are the origin, the stops and the destination.
type route struct {
	trip     trip.Trip
	spots    []geo.Spot
	vectors  []r3.Vector     // the spots on the unit sphere
	legs     []time.Duration // legs[k] leads from spots[k] to spots[k+1]
	load     []int           // seats taken on legs[k]
	earliest []time.Duration // when spots[k] may be left at the earliest
	leave    []time.Duration // when spots[k] is left
	latest   []time.Duration // the latest arrival at spots[k] after which every promise is still kept

	slack time.Duration // the driving that may be added
	level int           // of the cells
	cells []s2.CellID   // where it can stop for another order, sorted
}

// never is a latest arrival that no vehicle makes.
const never time.Duration = -1

// newRoute prepares a trip.
func newRoute(t trip.Trip, travel geo.Travel) *route {
	last := len(t.Plan) + 1 // of the spots
	r := &route{
		trip: t, spots: make([]geo.Spot, last+1), vectors: make([]r3.Vector, last+1), legs: make([]time.Duration, last), load: make([]int, last),
		earliest: make([]time.Duration, last+1), leave: make([]time.Duration, last+1), latest: make([]time.Duration, last+1),
	}
	r.spots[0], r.spots[last] = travel.Locate(t.Origin.Point), travel.Locate(t.Dest.Point)
	for i, s := range t.Plan {
		k := i + 1
		r.spots[k], r.load[k] = travel.Locate(s.Place.Point), r.load[k-1]-s.Seats
		if s.Kind == trip.Pickup {
			r.load[k] = r.load[k-1] + s.Seats
			r.earliest[k] = s.Earliest.Sub(t.DepartAt)
		}
	}
	for k, s := range r.spots {
		r.vectors[k] = vector(s.Point)
	}
	for k := range r.legs {
		r.legs[k] = travel.Leg(r.spots[k], r.spots[k+1]).Duration
		r.leave[k+1] = max(r.leave[k]+r.legs[k], r.earliest[k+1])
	}
	direct := travel.Leg(r.spots[0], r.spots[last]).Duration
	r.setLatest(direct + t.MaxDetour)
	r.slack = direct + t.MaxDetour - r.drive()
	r.setCells(travel.Pace())
	return r
}

// setLatest works out the latest arrivals, backwards from the one at the destination.
func (r *route) setLatest(arrival time.Duration) {
	last := len(r.legs)
	r.latest[last] = arrival
	for k := last - 1; k >= 0; k-- {
		r.latest[k] = r.latest[k+1] - r.legs[k]
		if r.earliest[k] > r.latest[k] {
			r.latest[k] = never
		}
		if k > 0 && r.trip.Plan[k-1].Kind == trip.Dropoff {
			r.latest[k] = min(r.latest[k], r.trip.Plan[k-1].Latest.Sub(r.trip.DepartAt))
		}
	}
}

// drive returns the time spent driving, waits left out.
func (r *route) drive() (sum time.Duration) {
	for _, d := range r.legs {
		sum += d
	}
	return sum
}
