package match

import (
	"math"
	"slices"
	"time"

	"github.com/golang/geo/r3"
	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/geo"
	"github.com/spotpool/spotpool/internal/trip"
)

// never is a latest arrival that no vehicle makes.
const never time.Duration = math.MinInt64 / 4

// route is a path prepared for searching: its start, its stops and its end as
// visits. A path without an end has one more visit after its last stop, to which
// every leg takes no time: it stays where it is. A route never changes.
type route struct {
	path   Path // without its stops, which are among the visits
	visits []visit
	stands stands // in an index
}

// visit is a spot of a route. The times are those of the route as planned.
type visit struct {
	geo.Spot
	vector   r3.Vector // the spot on the unit sphere
	order    uuid.UUID
	pickup   bool
	told     bool
	change   int           // of the seats taken
	load     int           // seats taken on the leg from here
	leg      time.Duration // to the next visit
	driven   time.Duration // from the start to here, waits left out
	earliest time.Duration // when the vehicle may go on at the earliest
	promise  time.Duration // latest arrival that is promised for this visit
	leave    time.Duration // when the vehicle goes on
	due      time.Duration // latest arrival after which every promise ahead is still kept
	pickups  int           // stops after this one that pick up
}

// newRoute prepares a path.
func newRoute(p Path, travel geo.Travel) *route {
	r := &route{path: p, visits: make([]visit, 0, len(p.Stops)+2)}
	r.path.Stops = nil
	r.visits = append(r.visits, visit{Spot: p.Start, vector: vector(p.Start.Point), promise: NoLimit})
	for _, s := range p.Stops {
		r.visits = append(r.visits, newVisit(s))
	}
	r.visits = append(r.visits, r.ending())
	r.visits[0].load = r.aboard()
	for k := range r.visits[:r.last()] {
		r.measure(k, travel)
	}
	r.schedule()
	return r
}

func newVisit(s Stop) visit {
	v := visit{Spot: s.Spot, vector: vector(s.Spot.Point), order: s.Order, told: s.Told, change: -s.Seats, promise: s.Latest}
	if s.Kind == trip.Pickup {
		v.pickup, v.change, v.earliest, v.promise = true, s.Seats, s.Earliest, NoLimit
	}
	return v
}

func (r *route) ending() visit {
	if r.path.End == nil {
		return visit{promise: NoLimit}
	}
	return visit{Spot: *r.path.End, vector: vector(r.path.End.Point), promise: r.path.EndBy}
}

// last is the number of the last visit, which is also the number of legs.
func (r *route) last() int { return len(r.visits) - 1 }

// stays reports whether leg k is the one after the last stop of a path without an end.
func (r *route) stays(k int) bool { return k == r.last()-1 && r.path.End == nil }

// measure asks how long leg k takes.
func (r *route) measure(k int, travel geo.Travel) {
	r.visits[k].leg = 0
	if !r.stays(k) {
		r.visits[k].leg = travel.Leg(r.visits[k].Spot, r.visits[k+1].Spot).Duration
	}
}

// schedule works out loads and times from the legs.
func (r *route) schedule() {
	first, last := &r.visits[0], r.last()
	first.driven, first.leave = 0, r.path.StartAt
	for k := 1; k <= last; k++ {
		before, v := &r.visits[k-1], &r.visits[k]
		v.load, v.driven = before.load+v.change, before.driven+before.leg
		v.leave = max(before.leave+before.leg, v.earliest)
	}
	r.visits[last].due, r.visits[last].pickups = r.visits[last].promise, 0
	for k := last - 1; k >= 0; k-- {
		after, v := &r.visits[k+1], &r.visits[k]
		v.due, v.pickups = after.due-v.leg, after.pickups
		if after.pickup {
			v.pickups++
		}
		if v.earliest > v.due {
			v.due = never
		}
		v.due = min(v.due, v.promise)
	}
}

// aboard returns the seats taken at the start: those that are given up without
// having been taken on the way.
func (r *route) aboard() (seats int) {
	for i, v := range r.stops() {
		if v.change < 0 && !slices.ContainsFunc(r.stops()[:i], func(u visit) bool { return u.order == v.order }) {
			seats -= v.change
		}
	}
	return seats
}

// stops are the visits between the start and the end.
func (r *route) stops() []visit { return r.visits[1:r.last()] }

// places are the visits that are somewhere: all but the one to which a path without
// an end goes on.
func (r *route) places() []visit {
	if r.path.End == nil {
		return r.visits[:r.last()]
	}
	return r.visits
}

// drive returns the time spent driving, waits left out.
func (r *route) drive() time.Duration { return r.visits[r.last()].driven }

// slack is the driving that may be added.
func (r *route) slack() time.Duration {
	last := r.visits[r.last()]
	return last.promise - r.path.StartAt - last.driven
}

// toPath returns the path that the route was made from, its stops included.
func (r *route) toPath() Path {
	p := r.path
	p.Stops = make([]Stop, len(r.stops()))
	for i, v := range r.stops() {
		s := Stop{Order: v.order, Kind: trip.Dropoff, Spot: v.Spot, Seats: -v.change, Latest: v.promise, Told: v.told}
		if v.pickup {
			s.Kind, s.Seats, s.Earliest, s.Latest = trip.Pickup, v.change, v.earliest, 0
		}
		p.Stops[i] = s
	}
	return p
}
