package roads

import "math/bits"

// labels answers how long the best way from one node to another is. It is the
// hierarchical cut labelling of Farhan, Koehler, Ohms and Wang (PACMMOD 1(4), 2023):
// a few nodes, the cut, part the network into two halves, which are parted in the same
// way again, until a part is its own cut. Every node knows the best ways to and from
// all nodes of the cuts of the parts that it lies in. A best way between two nodes
// passes the cut of the smallest part that holds both, so the least sum over that cut,
// which two short arrays hold, is the answer.
type labels[W weight] struct {
	rows []row
	// out[start+i] is the way from a node to node i of its cuts, those of the largest
	// part first; in[start+i] is the way back. out[start-1-k] says where the cut of
	// part k begins, out[start-2-k] where it ends. They are one array where every road
	// is as long both ways.
	out, in []W
}

// row says which parts a node lies in and where its ways begin.
type row struct {
	code  code
	start int
}

// code names a part: from the highest bit on, the half that was taken at each parting,
// and in the lowest bits how many partings there were.
type code uint64

const (
	depthBits = 6
	maxDepth  = 64 - depthBits
)

func (c code) depth() int { return int(c & (1<<depthBits - 1)) }

// half returns the code of a half of the part.
func (c code) half(second bool) code {
	if second {
		c |= 1 << (63 - c.depth())
	}
	return c + 1
}

// common returns the depth of the smallest part that holds both.
func (c code) common(d code) int {
	return min(bits.LeadingZeros64(uint64(c^d)), c.depth(), d.depth())
}

// distance returns the length of the best way, far or more if there is none.
func (l *labels[W]) distance(from, to int32) W {
	a, b := l.rows[from], l.rows[to]
	k := a.code.common(b.code)
	begin, end := int(l.out[a.start-1-k]), int(l.out[a.start-2-k])
	out := l.out[a.start+begin : a.start+end]
	in := l.in[b.start+begin : b.start+end]
	best := far[W]()
	for i := range min(len(out), len(in)) {
		best = min(best, out[i]+in[i])
	}
	return best
}
