package roads

import (
	"errors"
	"math/bits"
	"slices"
)

// labels answers how long the best way from one node to another is. It is the
// hierarchical 2-hop index of Ouyang, Qin, Chang, Lin, Zhang and Zhu ("When Hierarchy
// Meets 2-Hop-Labeling", SIGMOD 2018): the nodes form a tree in which those that part
// a node from the rest of the graph stand above it. A node knows its distances to and
// from all nodes above it. Every way between two nodes passes one of the few nodes in
// the bag of the lowest node above both, so the least sum over that bag is the answer.
//
// Nodes are numbered in preorder of the tree from 1 on; 0 is a root above all trees.
type labels[W weight] struct {
	place []int32   // the number of each node
	above [][]int32 // above[k][i] is the least parent of the 1<<k numbers from i on
	rows  []row
	// out[start+d] is the way from a node to the node at depth d above it, in[start+d]
	// the way back. They are one array where every road runs both ways.
	out, in []W
	bag     []int32 // the depths of the nodes in a bag, its own node's last
}

// row says where what belongs to one node begins; it ends where the next one begins.
type row struct {
	start int // in out and in
	bag   int // in bag
}

var errTooLong = errors.New("a way in it is too long to be measured")

// distance returns the length of the best way, far or more if there is none.
func (l *labels[W]) distance(from, to int32) W {
	if from == to {
		return 0
	}
	a, b := l.place[from], l.place[to]
	x := l.meet(a, b)
	out, in := l.out[l.rows[a].start:], l.in[l.rows[b].start:]
	best := far[W]()
	for _, d := range l.bag[l.rows[x].bag:l.rows[x+1].bag] {
		best = min(best, out[d]+in[d])
	}
	return best
}

// meet returns the lowest node above a and b, or the one that is above the other. In
// preorder it is the least parent of the numbers behind the lesser one up to the other.
func (l *labels[W]) meet(a, b int32) int32 {
	if a > b {
		a, b = b, a
	}
	k := bits.Len32(uint32(b-a)) - 1
	least := l.above[k]
	return min(least[a+1], least[b-1<<k+1])
}

// newLabels builds the index. It takes time and memory in proportion to the sum of
// the nodes' depths in the tree. It fails if a way is longer than limit.
func newLabels[W weight](g graph[W], limit W) (*labels[W], error) {
	e := eliminate(g)
	t := newTree(e)
	l := &labels[W]{place: t.place, above: t.above(), rows: make([]row, len(t.node)+1)}
	size := 0
	for i := range l.rows {
		l.rows[i] = row{size, len(l.bag)}
		if i > 0 && i < len(t.node) {
			size += int(t.depth[i]) + 1
			for _, other := range e.bags[t.node[i]] {
				l.bag = append(l.bag, t.depth[t.place[other.to]])
			}
			l.bag = append(l.bag, t.depth[i])
		}
	}
	l.out = make([]W, size)
	l.in = l.out
	if !bothWays(e) {
		l.in = make([]W, size)
	}
	return l, l.fill(e, t, limit)
}

// bothWays reports whether every way is as long as the way back.
func bothWays[W weight](e elimination[W]) bool {
	return !slices.ContainsFunc(e.bags, func(bag []link[W]) bool {
		return slices.ContainsFunc(bag, func(l link[W]) bool { return l.out != l.in })
	})
}

// fill computes the distances, those of the upper nodes first: the way from a node to
// one above it begins with a link of its bag.
func (l *labels[W]) fill(e elimination[W], t tree, limit W) error {
	above := make([]int, t.height) // the starts of the nodes above, by depth
	for i := int32(1); i < int32(len(t.node)); i++ {
		start, depth := l.rows[i].start, int(t.depth[i])
		above[depth] = start
		out, in := l.out[start:start+depth+1], l.in[start:start+depth+1]
		for d := range depth {
			out[d], in[d] = far[W](), far[W]()
		}
		for _, next := range e.bags[t.node[i]] {
			d := int(t.depth[t.place[next.to]])
			l.lead(out, l.out, l.in, above[:depth], d, next.out)
			if &l.in[0] != &l.out[0] {
				l.lead(in, l.in, l.out, above[:depth], d, next.in)
			}
		}
		for d := range depth {
			if out[d] > limit && out[d] < far[W]() || in[d] > limit && in[d] < far[W]() {
				return errTooLong
			}
		}
	}
	return nil
}

// lead improves the ways of one node to those above it by going over the one at depth
// d, which is w away: up holds the ways of nodes to those above them, down the ways back.
func (l *labels[W]) lead(ways, up, down []W, above []int, d int, w W) {
	over := up[above[d]:]
	for k := range d + 1 {
		ways[k] = min(ways[k], w+over[k])
	}
	for k := d + 1; k < len(above); k++ {
		ways[k] = min(ways[k], w+down[above[k]+d])
	}
}

// tree numbers the nodes in preorder: the parent of a node is the first of its bag to
// be eliminated.
type tree struct {
	place  []int32 // number of a node
	node   []int32 // node of a number; number 0 has none
	parent []int32 // by number
	depth  []int32 // by number
	height int
}

func newTree[W weight](e elimination[W]) tree {
	n := len(e.order)
	turn := make([]int32, n)
	for k, v := range e.order {
		turn[v] = int32(k)
	}
	children := make([][]int32, n+1) // those of the root last
	for _, v := range e.order {
		up := int32(n)
		for _, l := range e.bags[v] {
			if up == int32(n) || turn[l.to] < turn[up] {
				up = l.to
			}
		}
		children[up] = append(children[up], v)
	}
	t := tree{place: make([]int32, n+1), node: []int32{int32(n)}, parent: []int32{0}, depth: []int32{-1}}
	open := slices.Clone(children[n])
	parents := make([]int32, len(open))
	for len(open) > 0 {
		last := len(open) - 1
		v, up := open[last], parents[last]
		open, parents = open[:last], parents[:last]
		i := int32(len(t.node))
		t.place[v] = i
		t.node, t.parent, t.depth = append(t.node, v), append(t.parent, up), append(t.depth, t.depth[up]+1)
		t.height = max(t.height, int(t.depth[i])+1)
		for _, child := range children[v] {
			open, parents = append(open, child), append(parents, i)
		}
	}
	t.place = t.place[:n]
	return t
}

// above returns for each power of two the least parent of so many numbers in a row.
func (t tree) above() [][]int32 {
	all := [][]int32{t.parent}
	for width := 1; 2*width <= len(t.parent); width *= 2 {
		half := all[len(all)-1]
		whole := make([]int32, len(t.parent)-2*width+1)
		for i := range whole {
			whole[i] = min(half[i], half[i+width])
		}
		all = append(all, whole)
	}
	return all
}
