package match

import (
	"time"

	"github.com/golang/geo/r3"
	"github.com/golang/geo/s2"

	"github.com/spotpool/spotpool/internal/geo"
	"github.com/spotpool/spotpool/internal/trip"
)

// route is a trip prepared for searching. It never changes. Times count from
// the trip's departure; points are the origin, the stops and the destination.
type route struct {
	trip     trip.Trip
	points   []geo.Point
	vectors  []r3.Vector     // the points on the unit sphere
	legs     []time.Duration // legs[k] leads from points[k] to points[k+1]
	load     []int           // seats taken on legs[k]
	earliest []time.Duration // when points[k] may be left at the earliest
	leave    []time.Duration // when points[k] is left
	latest   []time.Duration // the latest arrival at points[k] after which every promise is still kept

	slack time.Duration // the driving that may be added
	level int           // of the cells
	cells []s2.CellID   // where it can stop for another order, sorted
}

// never is a latest arrival that no vehicle makes.
const never time.Duration = -1

// newRoute prepares a trip. Speed is the fastest that travel gets along the
// great circle, in metres a second.
func newRoute(t trip.Trip, travel geo.Travel, speed float64) *route {
	last := len(t.Plan) + 1 // of the points
	r := &route{
		trip: t, points: make([]geo.Point, last+1), vectors: make([]r3.Vector, last+1), legs: make([]time.Duration, last), load: make([]int, last),
		earliest: make([]time.Duration, last+1), leave: make([]time.Duration, last+1), latest: make([]time.Duration, last+1),
	}
	r.points[0], r.points[last] = t.Origin.Point, t.Dest.Point
	for i, s := range t.Plan {
		k := i + 1
		r.points[k], r.load[k] = s.Place.Point, r.load[k-1]-s.Seats
		if s.Kind == trip.Pickup {
			r.load[k] = r.load[k-1] + s.Seats
			r.earliest[k] = s.Earliest.Sub(t.DepartAt)
		}
	}
	for k, p := range r.points {
		r.vectors[k] = vector(p)
	}
	for k := range r.legs {
		r.legs[k] = travel.Leg(r.points[k], r.points[k+1]).Duration
		r.leave[k+1] = max(r.leave[k]+r.legs[k], r.earliest[k+1])
	}
	direct := travel.Leg(r.points[0], r.points[last]).Duration
	r.setLatest(direct + t.MaxDetour)
	r.slack = direct + t.MaxDetour - r.drive()
	r.setCells(speed)
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
