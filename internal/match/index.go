package match

import (
	"math"
	"time"

	"github.com/golang/geo/r3"
	"github.com/golang/geo/s2"

	"github.com/spotpool/spotpool/internal/geo"
)

// finest is the level of the smallest cells of an index, some 300 m wide.
const finest = 15

// index finds the legs on which a ride can be picked up, nearest first. Every leg
// of every route stands in one S2 cell, the one of its middle, of a level that
// suits the leg's length; the cells in use form a tree. Legs on which a path
// without an end goes on from its last stop have no length and a tree of their
// own, since a detour over such a leg is one way only.
type index struct {
	pace  float64 // of the travel
	trees [2]tree // of legs, and of the legs that stay
	slots []*route
	free  []int
}

const (
	goes = iota
	stays
)

// tree holds the cells of an index by their ids, and the roots.
type tree struct {
	cells map[s2.CellID]*cell
	roots [6]*cell
}

// cell is an S2 cell with the legs that stand in it.
type cell struct {
	id       s2.CellID
	centre   r3.Vector
	radius   float64 // of the cell, on the unit sphere
	reach    float64 // a leg here or below, in metres as fast as can be, and its bend, at most
	parent   *cell
	children [4]*cell
	legs     []indexed
	count    int // of legs here and below
}

// indexed is a leg as the index keeps it, so that most legs are told off without
// a look at their routes.
type indexed struct {
	route        *route
	leg          int
	begin, end   r3.Vector
	drive        time.Duration
	opens, shuts time.Duration // the vehicle is on it, or can be
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

func newIndex(pace float64) *index {
	x := &index{pace: pace}
	for i := range x.trees {
		x.trees[i].cells = map[s2.CellID]*cell{}
	}
	return x
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
	for k := range r.stands.legs {
		v, after := &r.visits[k], &r.visits[k+1]
		in := indexed{route: r, leg: k, begin: v.vector, end: after.vector, drive: v.leg, opens: v.leave, shuts: after.due}
		if r.stays(k) {
			in.end = v.vector
			r.stands.legs[k] = x.trees[stays].add(in, 0)
			continue
		}
		r.stands.legs[k] = x.trees[goes].add(in, x.pace*v.leg.Seconds())
	}
}

func (x *index) leave(r *route) {
	for k, s := range r.stands.legs {
		if r.stays(k) {
			x.trees[stays].remove(s)
			continue
		}
		x.trees[goes].remove(s)
	}
}

// add puts a leg, so many metres long as fast as can be, where it belongs.
func (t *tree) add(in indexed, metres float64) spot {
	chord := in.begin.Add(in.end).Mul(0.5)
	middle := s2.Point{Vector: in.begin}
	if chord.Norm() > 0.1 {
		middle = s2.Point{Vector: chord.Normalize()}
	}
	bend := middle.Sub(chord).Norm() * geo.EarthRadius
	c := t.cell(s2.CellIDFromLatLng(s2.LatLngFromPoint(middle)).Parent(levelFor(metres)))
	c.legs = append(c.legs, in)
	for up := c; up != nil; up = up.parent {
		up.count++
		up.reach = max(up.reach, metres+2*bend)
	}
	return spot{c, len(c.legs) - 1}
}

// levelFor returns the level of cells about half as wide as a leg.
func levelFor(metres float64) int {
	return min(finest, s2.AvgEdgeMetric.ClosestLevel(max(metres, 1)/2/geo.EarthRadius))
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
		if c.count == 0 {
			t.drop(c)
		}
		c = up
	}
}

func (t *tree) drop(c *cell) {
	delete(t.cells, c.id)
	if c.parent == nil {
		t.roots[c.id.Face()] = nil
		return
	}
	c.parent.children[c.id.ChildPosition(c.id.Level())] = nil
}

// cell returns the cell of an id and makes it and those around it where missing.
func (t *tree) cell(id s2.CellID) *cell {
	if c := t.cells[id]; c != nil {
		return c
	}
	c := &cell{id: id, centre: id.Point().Vector}
	for k, whole := 0, s2.CellFromCellID(id); k < 4; k++ {
		c.radius = max(c.radius, whole.Vertex(k).Sub(c.centre).Norm())
	}
	t.cells[id] = c
	if id.Level() == 0 {
		t.roots[id.Face()] = c
		return c
	}
	c.parent = t.cell(id.Parent(id.Level() - 1))
	c.parent.children[id.ChildPosition(id.Level())] = c
	return c
}

// distance returns the least distance in metres, straight through the earth, from
// a point on the unit sphere to the cell.
func (c *cell) distance(p r3.Vector) float64 {
	return max(0, c.centre.Sub(p).Norm()-c.radius) * geo.EarthRadius
}

// seconds converts to a Duration, saturating.
func seconds(s float64) time.Duration {
	return time.Duration(min(s*float64(time.Second), math.MaxInt64/8))
}
