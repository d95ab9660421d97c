package match

import (
	"math"
	"time"

	"github.com/golang/geo/r3"
	"github.com/golang/geo/s2"

	"github.com/spotpool/spotpool/internal/geo"
)

// index finds the legs on which a ride can be picked up, those first on which it can
// cost least. A leg stands in a cell of a tree with all legs that begin in the same
// S2 cell and lead to the same S2 cell: what they have in common bounds from below
// what a ride costs on any of them, and from above the time there is for it. A cell
// that becomes full is divided into cells of the next level.
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

// fullCell is how many legs a cell has before it is divided, unless its level is the
// finest, some 40 m wide.
const (
	fullCell = 48
	finest   = 18
)

// tree is some roots: by the faces of the cube on which legs begin and which they lead to.
type tree [6][6]*cell

// cell is a pair of S2 cells of one level with the legs that lead from the one to the
// other. The extremes are of all legs that are or were in it or below.
type cell struct {
	begins, ends end
	level        int
	parent       *cell
	children     [16]*cell
	divided      bool
	legs         []indexed
	count        int // of legs here and below

	drive       float64       // most, from a leg's begin to where it leads
	span        float64       // most time for it
	opens, last time.Duration // the first and the last time that a leg is begun at
	shuts       time.Duration
}

// end is where the legs of a cell begin, or lead to.
type end struct {
	id     s2.CellID
	centre r3.Vector
	radius float64
}

// indexed is a leg as the index keeps it, so that most legs are told off without
// a look at their routes.
type indexed struct {
	route              *route
	leg                int
	begin, end, finish r3.Vector     // finish is the route's end, if it has one
	drive              float64       // how long the leg is
	rest               float64       // and the leg with all behind it
	span               float64       // the time to get from its begin to its end
	whole              float64       // and to the route's end
	opens, shuts       time.Duration // the vehicle is on it, or can be
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
	begin, end := in.leaves()
	root := &t[begin.Face()][end.Face()]
	if *root == nil {
		*root = newCell(nil, 0, begin, end)
	}
	c := *root
	for c.take(&in); c.divided; c.take(&in) {
		c = c.child(begin, end)
	}
	c.put(in)
	if len(c.legs) > fullCell && c.level < finest {
		c.divide()
	}
}

// leaves returns the smallest S2 cells where a leg begins and which it leads to.
func (in *indexed) leaves() (begin, end s2.CellID) {
	to, _, _ := in.leads()
	return leaf(in.begin), leaf(to)
}

func leaf(v r3.Vector) s2.CellID { return s2.CellIDFromLatLng(s2.LatLngFromPoint(s2.Point{Vector: v})) }

func newCell(parent *cell, level int, begin, end s2.CellID) *cell {
	return &cell{
		parent: parent, level: level, begins: newEnd(begin.Parent(level)), ends: newEnd(end.Parent(level)),
		drive: math.Inf(-1), span: math.Inf(-1), opens: NoLimit, last: never, shuts: never,
	}
}

func newEnd(id s2.CellID) end {
	e := end{id: id, centre: id.Point().Vector}
	for k, whole := 0, s2.CellFromCellID(id); k < 4; k++ {
		e.radius = max(e.radius, whole.Vertex(k).Sub(e.centre).Norm())
	}
	return e
}

// distance returns the least distance from p to where the legs begin, or lead to.
func (e *end) distance(p r3.Vector) float64 { return max(0, e.centre.Sub(p).Norm()-e.radius) }

// take counts a leg that is put here or below.
func (c *cell) take(in *indexed) {
	c.count++
	_, drive, span := in.leads()
	c.drive, c.span = max(c.drive, drive), max(c.span, span)
	c.opens, c.last, c.shuts = min(c.opens, in.opens), max(c.last, in.opens), max(c.shuts, in.shuts)
}

// put puts a leg here.
func (c *cell) put(in indexed) {
	c.legs = append(c.legs, in)
	in.route.stands.legs[in.leg] = spot{c, len(c.legs) - 1}
}

// child returns the cell of the next level for a leg, and makes it where missing.
func (c *cell) child(begin, end s2.CellID) *cell {
	child := &c.children[begin.ChildPosition(c.level+1)<<2|end.ChildPosition(c.level+1)]
	if *child == nil {
		*child = newCell(c, c.level+1, begin, end)
	}
	return *child
}

// divide moves the legs to cells of the next level.
func (c *cell) divide() {
	c.divided = true
	for _, in := range c.legs {
		child := c.child(in.leaves())
		child.take(&in)
		child.put(in)
	}
	c.legs = nil
}

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
			t[c.begins.id.Face()][c.ends.id.Face()] = nil
		default:
			up.children[c.begins.id.ChildPosition(c.level)<<2|c.ends.id.ChildPosition(c.level)] = nil
		}
		c = up
	}
}
