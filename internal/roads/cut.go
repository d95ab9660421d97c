package roads

import (
	"cmp"
	"slices"
)

// cut returns a few nodes without which the part falls into two halves of at least a
// quarter of its nodes, less those of the cut. A small part is all cut.
func (p part[W]) cut() (cut []int32, halves [2][]int32) {
	if len(p.nodes) <= small || p.code.depth() == maxDepth-1 {
		for v := range int32(len(p.nodes)) {
			cut = append(cut, v)
		}
		return cut, halves
	}
	order := p.endToEnd()
	quarter := len(order) / 4
	f := newFlow(p, order[:quarter], order[len(order)-quarter:])
	for f.grow() {
	}
	cut, halves[0], halves[1] = f.cut()
	return cut, halves
}

// endToEnd orders the nodes from one end of the part to the other: by how much nearer
// they are to one of two nodes that are far apart than to the other, in links.
func (p part[W]) endToEnd() []int32 {
	one := farthest(p.hops(0))
	fromOne := p.hops(one)
	fromOther := p.hops(farthest(fromOne))
	order := make([]int32, len(p.nodes))
	for v := range order {
		order[v] = int32(v)
	}
	slices.SortStableFunc(order, func(u, v int32) int {
		return cmp.Compare(fromOne[u]-fromOther[u], fromOne[v]-fromOther[v])
	})
	return order
}

func farthest(hops []int32) int32 {
	best := 0
	for v, h := range hops {
		if h > hops[best] {
			best = v
		}
	}
	return int32(best)
}

// hops returns how many links each node is away from one, none if it is not joined to it.
func (p part[W]) hops(from int32) []int32 {
	hops := make([]int32, len(p.nodes))
	for v := range hops {
		hops[v] = none
	}
	hops[from] = 0
	for queue := []int32{from}; len(queue) > 0; queue = queue[1:] {
		for _, l := range p.links[queue[0]] {
			if hops[l.to] == none {
				hops[l.to] = hops[queue[0]] + 1
				queue = append(queue, l.to)
			}
		}
	}
	return hops
}
