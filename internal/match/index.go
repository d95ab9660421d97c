package match

import (
	"time"

	"github.com/golang/geo/r3"
	"github.com/golang/geo/s2"

	"github.com/spotpool/spotpool/internal/geo"
)

// index finds the legs on which a ride can be picked up, those first on which it can
// cost least. A leg stands in a cell of a tree with others like it, and a cell that
// becomes full is divided.
//
// Lengths are those straight through the earth, as parts of its radius; a time is
// the length that is driven in it as fast as can be.
type index struct {
	perNano float64
	trees   [3]tree
	slots   []*route
	free    []int
}

// The trees of an index differ in where a leg leads to and how its cost is bounded.
const (
	homing = iota // legs of paths with an end lead to that end: over pickup and dropoff
	goes          // other legs lead to the next stop: over the pickup
	stays         // on these a path without an end goes on from its last stop, with no way back
)

// tree is some roots: by the faces of the cube on which legs begin and which they lead to.
type tree [6][6]*cell

// indexed is a leg as the index keeps it, so that most legs are told off without
// a look at their routes.
type indexed struct {
	opens, shuts       time.Duration // the vehicle is on it, or can be
	begin, finish, end r3.Vector     // finish is the route's end, if it has one
	rest               float64       // how long the leg is with all behind it
	whole              float64       // the time to get from its begin to the route's end
	drive              float64       // how long the leg is
	span               float64       // the time to get from its begin to its end
	route              *route
	leg                int
	from, to           s2.CellID // the smallest cells where it begins and which it leads to
}

// stands tells where a route stands in an index.
type stands struct {
	slot int
	legs []spot
}

// spot is where one leg stands.
type spot struct {
	cell *cell
	at   int
}

func newIndex(travel geo.Travel) *index { return &index{perNano: perNano(travel)} }

// perNano returns the length that is driven in a nanosecond as fast as can be.
func perNano(travel geo.Travel) float64 {
	return travel.Pace() / float64(time.Second) / geo.EarthRadius
}

// add takes a route in.
func (x *index) add(r *route) {
	if n := len(x.free); n > 0 {
		r.stands.slot, x.free = x.free[n-1], x.free[:n-1]
		x.slots[r.stands.slot] = r
	} else {
		r.stands.slot = len(x.slots)
		x.slots = append(x.slots, r)
	}
	x.stand(r)
}

// remove takes a route out.
func (x *index) remove(r *route) {
	x.leave(r)
	x.slots[r.stands.slot] = nil
	x.free = append(x.free, r.stands.slot)
}

// replace puts a route in the place of another.
func (x *index) replace(old, r *route) {
	x.leave(old)
	r.stands.slot = old.stands.slot
	x.slots[r.stands.slot] = r
	x.stand(r)
}

func (x *index) stand(r *route) {
	r.stands.legs = make([]spot, r.last())
	last := &r.visits[r.last()]
	for k := range r.stands.legs {
		v, after := &r.visits[k], &r.visits[k+1]
		in := indexed{
			route: r, leg: k, begin: v.vector, end: after.vector, finish: last.vector, opens: v.leave, shuts: after.due,
			drive: x.length(v.leg), rest: x.length(last.driven - v.driven),
			span: x.length(after.due - v.leave), whole: x.length(last.promise - v.leave),
		}
		to, _, _ := in.leads()
		in.from, in.to = leaf(in.begin), leaf(to)
		x.trees[r.tree(k)].add(in)
	}
}

// tree returns in which tree leg k stands.
func (r *route) tree(k int) int {
	switch {
	case r.path.End != nil:
		return homing
	case r.stays(k):
		return stays
	}
	return goes
}

// leads returns where a leg leads to, how long the way is and the time for it.
func (in *indexed) leads() (to r3.Vector, drive, span float64) {
	switch in.route.tree(in.leg) {
	case homing:
		return in.finish, in.rest, in.whole
	case stays:
		return in.begin, 0, in.span
	}
	return in.end, in.drive, in.span
}

// length returns how far a vehicle gets in a time, as fast as can be.
func (x *index) length(d time.Duration) float64 { return float64(d) * x.perNano }

func (x *index) leave(r *route) {
	for k, s := range r.stands.legs {
		x.trees[r.tree(k)].remove(s)
	}
}

// add puts a leg where it belongs.
func (t *tree) add(in indexed) {
	root := &t[in.from.Face()][in.to.Face()]
	if *root == nil {
		*root = newCell(nil, 0, &in)
	}
	c := *root
	for c.take(&in); c.children != nil; c.take(&in) {
		c = c.child(&in)
	}
	c.put(in)
	if len(c.legs) > fullCell && !c.smallest() {
		c.divide()
	}
}

func leaf(v r3.Vector) s2.CellID { return s2.CellIDFromLatLng(s2.LatLngFromPoint(s2.Point{Vector: v})) }

// remove takes a leg out of its cell, and cells out that have become empty.
func (t *tree) remove(s spot) {
	c, last := s.cell, len(s.cell.legs)-1
	if s.at != last {
		moved := c.legs[last]
		c.legs[s.at] = moved
		moved.route.stands.legs[moved.leg].at = s.at
	}
	c.legs[last] = indexed{}
	c.legs = c.legs[:last]
	for c != nil {
		c.count--
		up := c.parent
		switch {
		case c.count > 0:
		case up == nil:
			t[c.begins.Face()][c.ends.Face()] = nil
		default:
			up.children[c.place] = nil
		}
		c = up
	}
}
