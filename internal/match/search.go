// Package match decides on which trip an order rides, and where in its plan.
//
// The search is pure and in memory. It assumes what shortest travel times obey,
// that a detour over a third place is never shorter than the direct way.
package match

import (
	"bytes"
	"time"

	"github.com/golang/geo/r3"
	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/geo"
	"github.com/spotpool/spotpool/internal/trip"
)

// Request is what an order asks of a trip.
type Request struct {
	OrderID  uuid.UUID
	Origin   trip.Place
	Dest     trip.Place
	Seats    int
	Earliest time.Time // pickup not before
	Latest   time.Time // dropoff not after
}

// Offer is the best way found to serve a request.
type Offer struct {
	Trip      trip.Trip     // with the order in its plan and all times worked out
	Version   int           // of the trip that the plan was made from
	Added     time.Duration // driving time that the order adds
	PickupAt  time.Time
	DropoffAt time.Time
}

// insertion is a pair of places in a route's plan: the pickup on legs[pickup],
// the dropoff on legs[dropoff], which may be the same leg.
type insertion struct {
	route           *route
	pickup, dropoff int
	added           time.Duration
	arrival         time.Time // at the dropoff
}

// betterThan orders insertions: least added driving, then earliest dropoff, then trip id.
func (a insertion) betterThan(b insertion) bool {
	switch {
	case b.route == nil || a.added != b.added:
		return b.route == nil || a.added < b.added
	case !a.arrival.Equal(b.arrival):
		return a.arrival.Before(b.arrival)
	}
	return bytes.Compare(a.route.trip.ID[:], b.route.trip.ID[:]) < 0
}

// via is a leg with another stop put on it.
type via struct {
	to, from time.Duration // from the leg's begin to the stop, and on to its end
	leave    time.Duration // of a pickup: when it is left, counted from the trip's departure
	open     bool          // whether the stop can be made there, seen by itself
}

// searcher looks for the best insertion of one request into any number of
// routes. Its buffers are used again for the next request.
type searcher struct {
	travel   geo.Travel
	pace     float64 // of travel
	start    geo.Spot
	end      geo.Spot
	req      Request
	from, to r3.Vector     // pickup and dropoff on the unit sphere
	across   time.Duration // from the pickup straight to the dropoff
	best     insertion
	pickups  []via
	dropoffs []via
	routes   []*route
}

// begin makes the searcher ready for a request.
func (s *searcher) begin(travel geo.Travel, req Request) {
	s.travel, s.pace, s.req, s.best = travel, travel.Pace(), req, insertion{}
	s.start, s.end = travel.Locate(req.Origin.Point), travel.Locate(req.Dest.Point)
	s.from, s.to = vector(s.start.Point), vector(s.end.Point)
	s.across = travel.Leg(s.start, s.end).Duration
	clear(s.routes)
	s.routes = s.routes[:0]
}

// consider compares the best found so far with the best insertion into the
// route. Its time grows with the number of pairs of legs.
func (s *searcher) consider(r *route) {
	if len(r.trip.Plan)+2 > trip.MaxStops || !s.measurePickups(r) {
		return
	}
	s.measureDropoffs(r)
	for i := range r.legs {
		if s.pickups[i].open {
			s.considerFrom(r, i)
		}
	}
}

// measurePickups fills s.pickups and reports whether the order can be picked up
// on any leg so that the trip goes on as promised.
func (s *searcher) measurePickups(r *route) (some bool) {
	s.pickups = s.pickups[:0]
	earliest := s.req.Earliest.Sub(r.trip.DepartAt)
	latest := s.req.Latest.Sub(r.trip.DepartAt)
	for k, leg := range r.legs {
		if r.load[k]+s.req.Seats > r.trip.Seats || !s.reaches(r, k, s.from) {
			s.pickups = append(s.pickups, via{})
			continue
		}
		v := via{
			to:   s.travel.Leg(r.spots[k], s.start).Duration,
			from: s.travel.Leg(s.start, r.spots[k+1]).Duration,
		}
		v.leave = max(r.leave[k]+v.to, earliest)
		v.open = v.leave+v.from <= r.latest[k+1] && v.leave+s.across <= latest &&
			(s.best.route == nil || v.to+v.from-leg <= s.best.added)
		some = some || v.open
		s.pickups = append(s.pickups, v)
	}
	return some
}

// measureDropoffs fills s.dropoffs.
func (s *searcher) measureDropoffs(r *route) {
	s.dropoffs = s.dropoffs[:0]
	for k := range r.legs {
		var v via
		if v.open = s.reaches(r, k, s.to); v.open {
			v.to = s.travel.Leg(r.spots[k], s.end).Duration
			v.from = s.travel.Leg(s.end, r.spots[k+1]).Duration
		}
		s.dropoffs = append(s.dropoffs, v)
	}
}

// reaches tells, without asking for travel times, whether a stop at p on legs[k]
// might be within the slack and no worse than the best found. It measures
// straight through the earth, which is never farther than the way around.
func (s *searcher) reaches(r *route, k int, p r3.Vector) bool {
	most := r.slack
	if s.best.route != nil {
		most = min(most, s.best.added)
	}
	through := r.vectors[k].Sub(p).Norm() + p.Sub(r.vectors[k+1]).Norm()
	return through*geo.EarthRadius <= s.pace*(r.legs[k]+most).Seconds()+1 // a metre for rounding
}

// considerFrom tries every dropoff after a pickup on legs[i], driving the plan
// onwards from there until a promise breaks or the seats are taken.
func (s *searcher) considerFrom(r *route, i int) {
	pick, latest := s.pickups[i], s.req.Latest.Sub(r.trip.DepartAt)
	if there, drop := pick.leave+s.across, s.dropoffs[i]; drop.open && there+drop.from <= r.latest[i+1] {
		s.keep(r, i, i, pick.to+s.across+drop.from-r.legs[i], there)
	}
	added := pick.to + pick.from - r.legs[i]
	arrive := pick.leave + pick.from // at the begin of the next leg
	for j := i + 1; j < len(r.legs); j++ {
		if arrive > r.latest[j] || r.load[j]+s.req.Seats > r.trip.Seats {
			return
		}
		leave, drop := max(arrive, r.earliest[j]), s.dropoffs[j]
		there := leave + drop.to
		if drop.open && there > latest {
			return
		}
		if drop.open && there+drop.from <= r.latest[j+1] {
			s.keep(r, i, j, added+drop.to+drop.from-r.legs[j], there)
		}
		arrive = leave + r.legs[j]
	}
}

// keep remembers an insertion that is better than the best so far.
func (s *searcher) keep(r *route, pickup, dropoff int, added, arrive time.Duration) {
	in := insertion{r, pickup, dropoff, added, r.trip.DepartAt.Add(arrive)}
	if in.betterThan(s.best) {
		s.best = in
	}
}

// offer returns the best insertion as a new plan; ok is false when there was none.
func (s *searcher) offer() (o Offer, ok bool) {
	in := s.best
	if in.route == nil {
		return o, false
	}
	t, req := in.route.trip, s.req
	plan := make(trip.Plan, 0, len(t.Plan)+2)
	plan = append(plan, t.Plan[:in.pickup]...)
	plan = append(plan, trip.Stop{OrderID: req.OrderID, Kind: trip.Pickup, Place: req.Origin, Seats: req.Seats, Earliest: req.Earliest})
	plan = append(plan, t.Plan[in.pickup:in.dropoff]...)
	plan = append(plan, trip.Stop{OrderID: req.OrderID, Kind: trip.Dropoff, Place: req.Dest, Seats: req.Seats, Latest: req.Latest})
	t.Plan = append(plan, t.Plan[in.dropoff:]...)
	t = t.Reschedule(s.travel)
	return Offer{
		Trip: t, Version: in.route.trip.Version, Added: in.added,
		PickupAt: t.Plan[in.pickup].At, DropoffAt: t.Plan[in.dropoff+1].At,
	}, true
}
