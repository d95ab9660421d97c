package match

import (
	"math"
	"math/bits"
	"time"

	"github.com/golang/geo/r3"
	"github.com/golang/geo/s2"
)

const (
	// fullCell is how many legs a cell has before it is divided, unless it is among the finest.
	fullCell = 48
	// finest is the level of the finest S2 cells, some 40 m wide; lanes are divided as finely.
	finest = 18
	// narrow is how many times farther than a pair of S2 cells is wide they must be
	// apart for a lane between them.
	narrow = 2
	// hours is the bit of a time, in nanoseconds, from which on legs are told apart by
	// when they begin: 73 minutes.
	hours = 42
	// ahead is how many times lanes are divided across before they are along.
	ahead = 2
)

// cell holds legs that begin near each other and lead to places near each other.
// What they have in common bounds from below what a ride costs on any of them, and
// from above the time there is for it.
//
// Cells are pairs of S2 cells of one level as long as these are wide for how far they
// are apart. Below that they are lanes: a ride costs little on the legs that pass by
// its ends, whose lines are close to its own, however far they go beyond them. So a
// lane is divided across its direction first. Legs that begin hours apart are told
// apart by that before anything else.
//
// The extremes are of all legs that are or were here or below.
type cell struct {
	opens, last time.Duration // the first and the last time that a leg is begun at
	shuts       time.Duration
	frame       frame
	begin, end  box     // of the legs, in the frame
	more        float64 // most by which a leg is longer than it leads along
	drive       float64 // most, from a leg's begin to where it leads
	span        float64 // most time for it

	children []*cell // nil: not divided
	legs     []indexed
	count    int // of legs here and below
	parent   *cell
	place    int // among the parent's children

	begins, ends s2.CellID // of the level; those of a lane are where it is cut from
	level        int
	lane         *lane // nil: not in a lane
	cuts         int   // of the lane
	hour         int   // the children differ in this bit of the time; 0: in where they are
}

// lane is what the lane cells of a pair of S2 cells are cut by.
type lane struct {
	frame
	begin, end r3.Vector // the middles
	reach      float64   // half of how wide and long it is at each end
}

// frame is a right-angled system of coordinates: along, across and up.
type frame [3]r3.Vector

// box is the range of coordinates in a frame.
type box struct{ low, high r3.Vector }

var emptyBox = box{
	low:  r3.Vector{X: math.Inf(1), Y: math.Inf(1), Z: math.Inf(1)},
	high: r3.Vector{X: math.Inf(-1), Y: math.Inf(-1), Z: math.Inf(-1)},
}

// frameAlong returns a frame whose first direction leads from one place to another.
func frameAlong(from, to r3.Vector) frame {
	along := to.Sub(from)
	if along.Norm() < rounding {
		along = from.Ortho()
	}
	along = along.Normalize()
	across := from.Cross(along).Normalize()
	return frame{along, across, along.Cross(across)}
}

// of returns the coordinates of p.
func (f *frame) of(p r3.Vector) r3.Vector {
	return r3.Vector{X: f[0].Dot(p), Y: f[1].Dot(p), Z: f[2].Dot(p)}
}

func (b *box) take(p r3.Vector) {
	b.low = r3.Vector{X: min(b.low.X, p.X), Y: min(b.low.Y, p.Y), Z: min(b.low.Z, p.Z)}
	b.high = r3.Vector{X: max(b.high.X, p.X), Y: max(b.high.Y, p.Y), Z: max(b.high.Z, p.Z)}
}

// off returns how far p is outside the box in each direction.
func (b *box) off(p r3.Vector) r3.Vector {
	return r3.Vector{
		X: max(0, b.low.X-p.X, p.X-b.high.X), Y: max(0, b.low.Y-p.Y, p.Y-b.high.Y), Z: max(0, b.low.Z-p.Z, p.Z-b.high.Z),
	}
}

// newCell returns the cell for a leg and others like it.
func newCell(parent *cell, place int, in *indexed) *cell {
	to, _, _ := in.leads()
	c := &cell{
		parent: parent, place: place, frame: frameAlong(in.begin, to), begin: emptyBox, end: emptyBox,
		more: math.Inf(-1), drive: math.Inf(-1), span: math.Inf(-1), opens: NoLimit, last: never, shuts: never,
	}
	switch {
	case parent == nil:
		c.begins, c.ends = in.from.Parent(0), in.to.Parent(0)
	case parent.hour > 0 || parent.lane != nil:
		c.begins, c.ends, c.level, c.lane, c.cuts = parent.begins, parent.ends, parent.level, parent.lane, parent.cuts
		if parent.hour == 0 {
			c.cuts++
		}
	default:
		c.level = parent.level + 1
		c.begins, c.ends = in.from.Parent(c.level), in.to.Parent(c.level)
		c.lane = c.cutFrom()
	}
	return c
}

// cutFrom returns the lane that a pair of S2 cells makes, if they are far enough apart.
func (c *cell) cutFrom() *lane {
	begin, end := c.begins.Point().Vector, c.ends.Point().Vector
	reach := s2.MaxDiagMetric.Value(c.level) / 2
	if end.Sub(begin).Norm() < narrow*2*reach {
		return nil
	}
	return &lane{frameAlong(begin, end), begin, end, reach}
}

// smallest reports whether a cell is divided no more.
func (c *cell) smallest() bool { return c.level+max(0, c.cuts-ahead)/2 >= finest }

// which returns which of the children a leg belongs to.
func (c *cell) which(in *indexed) int {
	if c.hour > 0 {
		return int(in.opens>>c.hour) & 1
	}
	if c.lane == nil {
		return in.from.ChildPosition(c.level+1)<<2 | in.to.ChildPosition(c.level+1)
	}
	to, _, _ := in.leads()
	direction, times := 1, c.cuts
	if c.cuts >= ahead {
		direction, times = (c.cuts-ahead+1)%2, (c.cuts-ahead)/2
		if direction == 1 {
			times += ahead
		}
	}
	d := c.lane.frame[direction]
	return c.lane.half(d.Dot(in.begin.Sub(c.lane.begin)), times)<<1 | c.lane.half(d.Dot(to.Sub(c.lane.end)), times)
}

// half returns in which half a place is of what is left of a lane that was cut so many times.
func (l *lane) half(at float64, times int) int {
	const fine = 30
	share := max(0, min(1, (at/l.reach+1)/2))
	return int(share*(1<<fine-1)) >> (fine - 1 - times) & 1
}

// child returns the cell of the next level for a leg, and makes it where missing.
func (c *cell) child(in *indexed) *cell {
	i := c.which(in)
	if c.children[i] == nil {
		c.children[i] = newCell(c, i, in)
	}
	return c.children[i]
}

// divide moves the legs to cells of the next level.
func (c *cell) divide() {
	parts := 16
	if c.hour = c.apart(); c.hour > 0 {
		parts = 2
	} else if c.lane != nil {
		parts = 4
	}
	c.children = make([]*cell, parts)
	for _, in := range c.legs {
		child := c.child(&in)
		child.take(&in)
		child.put(in)
	}
	c.legs = nil
}

// apart returns the highest bit in which the times differ that the cell's legs begin
// at, 0 when they are not hours apart. No bit is used twice on the way to a cell.
func (c *cell) apart() int {
	var differ uint64
	for i := range c.legs {
		differ |= uint64(c.legs[i].opens ^ c.legs[0].opens)
	}
	if bit := bits.Len64(differ) - 1; bit >= hours {
		return bit
	}
	return 0
}

// take counts a leg that is put here or below.
func (c *cell) take(in *indexed) {
	c.count++
	to, drive, span := in.leads()
	c.drive, c.span = max(c.drive, drive), max(c.span, span)
	c.more = max(c.more, drive-c.frame[0].Dot(to.Sub(in.begin)))
	c.opens, c.last, c.shuts = min(c.opens, in.opens), max(c.last, in.opens), max(c.shuts, in.shuts)
	c.begin.take(c.frame.of(in.begin))
	c.end.take(c.frame.of(to))
}

// put puts a leg here.
func (c *cell) put(in indexed) {
	c.legs = append(c.legs, in)
	in.route.stands.legs[in.leg] = spot{c, len(c.legs) - 1}
}

// way returns the least that it takes from a begin of the cell's legs to one place,
// and from another to where they lead, and by how much both together are longer than
// any of the legs.
//
// A leg is as long as it leads along the frame, and c.more at most. The way over the
// first place leads as far along, and is longer the farther it is aside and the less
// the leg begins behind it; so is the way from the second. Between the two places lies
// what they are apart along the frame, which may make the result negative.
func (c *cell) way(from, to r3.Vector) (there, back, aside float64) {
	p, q := c.frame.of(from), c.frame.of(to)
	a, b := c.begin.off(p), c.end.off(q)
	asideA, asideB := a.Y*a.Y+a.Z*a.Z, b.Y*b.Y+b.Z*b.Z
	there, back = math.Sqrt(a.X*a.X+asideA), math.Sqrt(b.X*b.X+asideB)
	behind, beyond := p.X-c.begin.low.X, c.end.high.X-q.X
	aside = math.Sqrt(behind*behind+asideA) - behind + math.Sqrt(beyond*beyond+asideB) - beyond
	return there, back, aside + p.X - q.X - c.more
}
