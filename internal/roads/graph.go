package roads

import (
	"cmp"
	"slices"
)

// weight is the length of a way: metres, or time and distance in one number (see
// timed). Ways are added by adding their weights, the best is the least.
type weight interface{ ~uint32 | ~uint64 }

// far stands for "no way". The sum of two weights below it does not overflow, and a
// sum that holds it once is not below it.
func far[W weight]() W { return ^W(0)/4 + 1 }

// longest bounds the weight of every way, so that two of them add up to less than far.
func longest[W weight]() W { return far[W]() / 2 }

// arc is a road that may be driven from one node to another.
type arc[W weight] struct {
	from, to int32
	w        W
}

// graph holds the arcs that leave each node: those of node v are
// to[first[v]:first[v+1]], ordered by where they lead, one for each such node.
type graph[W weight] struct {
	first []int32
	to    []int32
	w     []W
}

// newGraph keeps the best of parallel arcs, and none that ends where it begins.
func newGraph[W weight](nodes int, arcs []arc[W]) graph[W] {
	slices.SortFunc(arcs, func(a, b arc[W]) int {
		return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to), cmp.Compare(a.w, b.w))
	})
	g := graph[W]{first: make([]int32, nodes+1)}
	for i, a := range arcs {
		if a.from == a.to || i > 0 && arcs[i-1].from == a.from && arcs[i-1].to == a.to {
			continue
		}
		g.to, g.w = append(g.to, a.to), append(g.w, a.w)
		g.first[a.from+1]++
	}
	for v := range nodes {
		g.first[v+1] += g.first[v]
	}
	return g
}

func (g graph[W]) nodes() int { return len(g.first) - 1 }

// largestComponent marks the nodes of the largest set in which every node can be
// reached from every other (Tarjan, SIAM J. Comput. 1(2), 1972, without recursion).
func (g graph[W]) largestComponent() (inside []bool, size int) {
	n := g.nodes()
	t := tarjan[W]{graph: g, seen: make([]int32, n), low: make([]int32, n), next: slices.Clone(g.first[:n]), component: make([]int32, n)}
	for v := range int32(n) {
		if t.seen[v] == 0 {
			t.visit(v)
		}
	}
	best := int32(0)
	for c, s := range t.sizes {
		if s > size {
			best, size = int32(c), s
		}
	}
	inside = make([]bool, n)
	for v := range inside {
		inside[v] = t.component[v] == best
	}
	return inside, size
}

// tarjan is one run of Tarjan's search.
type tarjan[W weight] struct {
	graph[W]
	seen      []int32 // when a node was come upon, from 1
	low       []int32 // the earliest seen of the open nodes it leads back to
	next      []int32 // the arc to follow next
	component []int32
	open      []int32 // seen, in no component yet
	sizes     []int
	clock     int32
}

// closed stands in seen for nodes that have their component: no open node is later.
const closed = 1<<31 - 1

// visit puts all nodes that root leads to into components.
func (t *tarjan[W]) visit(root int32) {
	way := []int32{root}
	t.enter(root)
	for len(way) > 0 {
		v := way[len(way)-1]
		if t.next[v] < t.first[v+1] {
			u := t.to[t.next[v]]
			t.next[v]++
			if t.seen[u] == 0 {
				t.enter(u)
				way = append(way, u)
			}
			t.low[v] = min(t.low[v], t.seen[u])
			continue
		}
		way = way[:len(way)-1]
		if len(way) > 0 {
			above := way[len(way)-1]
			t.low[above] = min(t.low[above], t.low[v])
		}
		if t.low[v] == t.seen[v] {
			t.close(v)
		}
	}
}

func (t *tarjan[W]) enter(v int32) {
	t.clock++
	t.seen[v], t.low[v] = t.clock, t.clock
	t.open = append(t.open, v)
}

// close makes a component of the open nodes from v on.
func (t *tarjan[W]) close(v int32) {
	size := 0
	for done := false; !done; size++ {
		last := len(t.open) - 1
		u := t.open[last]
		t.component[u], t.seen[u], t.open = int32(len(t.sizes)), closed, t.open[:last]
		done = u == v
	}
	t.sizes = append(t.sizes, size)
}
