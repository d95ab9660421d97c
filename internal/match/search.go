package match

import (
	"math"
	"time"

	"github.com/golang/geo/r3"

	"github.com/spotpool/spotpool/internal/geo"
)

// searcher looks for the best insertion of one ride into the routes of an index.
// It goes from the most to the least promising: cells, legs and routes wait in a
// heap under the least that an insertion there can cost, as the crow flies. When a
// leg is the most promising of all, the bound of its route is worked out; when that
// still is, travel times are asked for. The search ends when nothing left can be
// better than the best found.
//
// Its buffers are used again for the next ride.
type searcher struct {
	inserter
	travel   geo.Travel
	from, to r3.Vector    // pickup and dropoff on the unit sphere
	ends     [3]r3.Vector // by tree: what a ride adds on a leg ends there
	lastPick time.Duration

	perNano      float64 // length of the index's
	acrossLength float64

	limit time.Duration // insertions that cost more are of no use
	most  int           // of the insertions to find, at most one a route
	found []insertion   // best first
	worst float64       // length of what an insertion may cost to be among them, and a little more
	heap  []prospect
	seen  []uint32 // by slot: the turn in which the route was seen
	turn  uint32
	ahead bool        // only paths that start later than now may be used
	blink func() bool // whether to overlook a route; nil: never
}

// begin makes the searcher ready for a ride and reports whether it can be driven
// at all in its time.
func (s *searcher) begin(travel geo.Travel, ride Ride, now time.Duration) bool {
	s.travel, s.ride, s.now = travel, ride, now
	s.limit, s.most, s.found = NoLimit, 1, s.found[:0]
	s.from, s.to = vector(ride.From.Point), vector(ride.To.Point)
	s.ends = [3]r3.Vector{homing: s.to, goes: s.from, stays: s.from}
	s.across = travel.Leg(ride.From, ride.To).Duration
	s.perNano = perNano(travel)
	s.acrossLength = s.length(s.across)
	s.lastPick = ride.Latest - s.across
	s.settle()
	return s.across < geo.Unreachable.Duration && max(now, ride.Earliest) <= s.lastPick
}

// search considers the routes of the index.
func (s *searcher) search(x *index) {
	s.start(x)
	for tree := range x.trees {
		for i := range x.trees[tree] {
			for _, root := range x.trees[tree][i] {
				s.pushCell(root, tree)
			}
		}
	}
	for len(s.heap) > 0 {
		next := s.pop()
		switch {
		case s.hopeless(next.least):
			return
		case next.worked:
			s.consider(next.route)
		case next.route != nil:
			s.pushRoute(next.route)
		default:
			s.open(next.cell, next.tree)
		}
	}
}

// start forgets what the last search has seen.
func (s *searcher) start(x *index) {
	s.heap = s.heap[:0]
	s.settle()
	if n := len(x.slots); n > len(s.seen) {
		s.seen = append(s.seen, make([]uint32, n-len(s.seen))...)
	}
	if s.turn++; s.turn == 0 {
		clear(s.seen)
		s.turn = 1
	}
}

// settle works out what an insertion may cost now.
func (s *searcher) settle() {
	worst := s.limit
	if len(s.found) == s.most {
		worst = min(worst, s.found[len(s.found)-1].cost)
	}
	s.worst = s.length(worst) + rounding
}

// hopeless reports whether nothing that costs at least so much can be among the best.
func (s *searcher) hopeless(least float64) bool { return least > s.worst }

// open looks into a cell.
func (s *searcher) open(c *cell, tree int) {
	if c.children != nil {
		for _, child := range c.children {
			s.pushCell(child, tree)
		}
		return
	}
	first := prospect{least: math.Inf(1)}
	for i := range c.legs {
		in := &c.legs[i]
		if in.opens > s.lastPick || in.shuts < s.ride.Earliest {
			continue
		}
		least := s.leastOn(in, tree)
		if s.hopeless(least) {
			continue
		}
		s.push(prospect{least: least, route: in.route})
		if least < first.least {
			first = prospect{least: least, route: in.route}
		}
	}
	if first.route != nil {
		s.glance(first.route) // so that there is something to be better than
	}
}

// rounding is what lengths may be wrong by: a metre.
const rounding = 1 / geo.EarthRadius

// pushCell puts a cell under the least cost of a pickup on a leg in it.
func (s *searcher) pushCell(c *cell, tree int) {
	if c == nil || c.opens > s.lastPick || c.shuts < s.ride.Earliest {
		return
	}
	to, back, aside := c.way(s.from, s.ends[tree])
	if to > s.until(c.opens) {
		return
	}
	var over, wait float64
	switch tree {
	case homing:
		over, wait = s.acrossLength+back, s.early(c.last)
		aside += s.acrossLength
	case goes:
		over, wait = back, s.early(c.last)
	case stays:
		over, aside = s.acrossLength, math.Inf(-1)
	}
	if tree != stays && max(to, wait)+over > c.span+rounding {
		return
	}
	if least := max(to+over-c.drive, aside); !s.hopeless(least) {
		s.push(prospect{least: least, cell: c, tree: tree})
	}
}

// leastOn returns the least that a pickup on the leg adds, infinite when there is no
// time for it: on the leg, or from its begin over pickup and dropoff to the route's end.
func (s *searcher) leastOn(in *indexed, tree int) float64 {
	to := in.begin.Sub(s.from).Norm()
	over, left := to+s.acrossLength, max(to, s.early(in.opens))
	if tree == homing {
		home := in.finish.Sub(s.to).Norm()
		if over += home; s.hopeless(over-in.rest) || left+s.acrossLength+home > in.whole+rounding {
			return math.Inf(1)
		}
	}
	if to > s.until(in.opens) {
		return math.Inf(1)
	}
	if tree == stays {
		return over
	}
	back := in.end.Sub(s.from).Norm()
	if left+back > in.span+rounding {
		return math.Inf(1)
	}
	return max(over-in.rest, to+back-in.drive)
}

// until returns how far it may be from the begin of a leg to the pickup at most.
func (s *searcher) until(opens time.Duration) float64 {
	return s.length(s.lastPick-max(opens, s.now)) + rounding
}

// early returns how far a vehicle could get before the ride may be picked up.
func (s *searcher) early(opens time.Duration) float64 {
	return s.length(s.ride.Earliest - opens)
}

// length returns how far a vehicle gets in a time, as fast as can be.
func (s *searcher) length(d time.Duration) float64 { return float64(d) * s.perNano }

// duration returns how long a length takes at least.
func (s *searcher) duration(length float64) time.Duration {
	return nanos((length - rounding) / s.perNano)
}

// nanos converts to a Duration that can still be added to a time.
func nanos(n float64) time.Duration { return time.Duration(min(n, float64(NoLimit/4))) }

// pushRoute puts a route under the least cost of an insertion into it.
func (s *searcher) pushRoute(r *route) {
	if least, ok := s.promises(r); ok {
		s.push(prospect{least: least, route: r, worked: true})
	}
}

// glance considers a route before its turn.
func (s *searcher) glance(r *route) {
	if _, ok := s.promises(r); ok {
		s.work(r)
	}
}

// promises returns what an insertion into a route costs at least, as the crow flies;
// not ok when that is too much or the route was seen before.
func (s *searcher) promises(r *route) (least float64, ok bool) {
	if s.seen[r.stands.slot] == s.turn {
		return 0, false
	}
	s.seen[r.stands.slot] = s.turn
	if s.blink != nil && s.blink() || !s.suits(r) {
		return 0, false
	}
	s.estimate(r)
	in := s.inserter.into(r)
	least = s.length(in.cost)
	return least, in.route != nil && !s.hopeless(least)
}

// suits reports whether the route has room for two more stops, and keeps its promises.
func (s *searcher) suits(r *route) bool {
	if s.ahead && r.path.StartAt <= s.now {
		return false
	}
	first := &r.visits[0]
	return (r.path.MaxStops == 0 || len(r.stops())+2 <= r.path.MaxStops) && s.leave(first) <= first.due
}

// estimate fills in what the stops would take at least, as the crow flies.
func (s *searcher) estimate(r *route) {
	n := r.last()
	s.pickups, s.dropoffs = resize(s.pickups, n), resize(s.dropoffs, n)
	up, down := s.crow(&r.visits[0], s.from), s.crow(&r.visits[0], s.to)
	for k := range n {
		pick, drop := &s.pickups[k], &s.dropoffs[k]
		*pick, *drop = via{open: k >= r.path.Locked, to: up}, via{open: k >= r.path.Locked, to: down}
		if !r.stays(k) {
			up, down = s.crow(&r.visits[k+1], s.from), s.crow(&r.visits[k+1], s.to)
			pick.from, drop.from = up, down
		}
	}
}

// crow returns how long it takes at least from a visit to p or back.
func (s *searcher) crow(v *visit, p r3.Vector) time.Duration {
	return max(0, s.duration(v.vector.Sub(p).Norm()))
}

// consider compares the best found so far with the best insertion into the route.
func (s *searcher) consider(r *route) {
	if s.suits(r) {
		s.estimate(r)
		s.work(r)
	}
}

// work replaces the estimates of a route by travel times where they may matter.
func (s *searcher) work(r *route) {
	for k := range s.pickups {
		s.ask(r, k, &s.pickups[k], s.ride.From)
		s.ask(r, k, &s.dropoffs[k], s.ride.To)
	}
	s.keep(s.inserter.into(r))
}

// keep remembers an insertion that is among the best.
func (s *searcher) keep(in insertion) {
	if in.route == nil || in.cost > s.limit {
		return
	}
	if len(s.found) < s.most {
		s.found = append(s.found, insertion{})
	}
	i := len(s.found) - 1
	if s.found[i].route != nil && !in.betterThan(s.found[i]) {
		return
	}
	for ; i > 0 && in.betterThan(s.found[i-1]); i-- {
		s.found[i] = s.found[i-1]
	}
	s.found[i] = in
	s.settle()
}

// best returns the best insertion found; its route is nil when there is none.
func (s *searcher) best() insertion {
	if len(s.found) == 0 {
		return insertion{}
	}
	return s.found[0]
}

// ask replaces an estimate by travel times, unless the stop cannot be made there
// or costs more than the best found.
func (s *searcher) ask(r *route, k int, v *via, p geo.Spot) {
	here, after := &r.visits[k], &r.visits[k+1]
	if v.open = v.open && s.worthwhile(here, after, v); !v.open {
		return
	}
	if v.to = s.travel.Leg(here.Spot, p).Duration; !s.worthwhile(here, after, v) {
		v.open = false
		return
	}
	if !r.stays(k) {
		v.from = s.travel.Leg(p, after.Spot).Duration
	}
	v.open = max(v.to, v.from) < geo.Unreachable.Duration && s.worthwhile(here, after, v)
}

// worthwhile reports whether a stop between two visits can be made in time and
// for no more than the best found.
func (s *searcher) worthwhile(here, after *visit, v *via) bool {
	there := s.leave(here) + v.to
	return there <= s.ride.Latest && there+v.from <= after.due && !s.hopeless(s.length(v.to+v.from-here.leg))
}

func resize(list []via, n int) []via {
	if n <= cap(list) {
		return list[:n]
	}
	return make([]via, n, 2*n)
}
