package roads

import (
	"cmp"
	"container/heap"
	"slices"
)

// link joins two nodes that are not eliminated yet: the best way out to the other
// and the best way back in, over nodes that are eliminated.
type link[W weight] struct {
	to      int32
	out, in W
}

// elimination is the order in which the nodes of a graph were taken out, and for
// each the links that it had at that moment: they part it from the rest.
type elimination[W weight] struct {
	order []int32
	bags  [][]link[W]
}

// eliminate takes out node after node, always one of those with the fewest links,
// and joins its neighbours so that the ways between all others stay as long as
// they are (minimum degree heuristic; the bags are a tree decomposition).
func eliminate[W weight](g graph[W]) elimination[W] {
	n := g.nodes()
	links := linksOf(g)
	queue := make(degrees, n)
	for v := range queue {
		queue[v] = degree{len(links[v]), int32(v)}
	}
	heap.Init(&queue)
	e := elimination[W]{order: make([]int32, 0, n), bags: make([][]link[W], n)}
	var spare []link[W]
	for len(e.order) < n {
		next := heap.Pop(&queue).(degree)
		v := next.node
		if e.bags[v] != nil || next.links != len(links[v]) {
			continue // an older entry of a node that has changed
		}
		bag := links[v]
		if bag == nil {
			bag = []link[W]{}
		}
		e.order, e.bags[v], links[v] = append(e.order, v), bag, nil
		for _, l := range bag {
			was := len(links[l.to])
			spare = bridge(spare[:0], links[l.to], bag, v, l)
			links[l.to] = append(links[l.to][:0], spare...)
			if len(spare) != was {
				heap.Push(&queue, degree{len(spare), l.to})
			}
		}
	}
	return e
}

// bridge appends to into the links of the node at the other end of l once v, whose
// links are bag, is taken out.
func bridge[W weight](into, links, bag []link[W], v int32, l link[W]) []link[W] {
	for i, k := 0, 0; i < len(links) || k < len(bag); {
		switch {
		case i < len(links) && links[i].to == v:
			i++
		case k < len(bag) && bag[k].to == l.to:
			k++
		case k == len(bag) || i < len(links) && links[i].to < bag[k].to:
			into = append(into, links[i])
			i++
		default:
			over := link[W]{bag[k].to, min(l.in+bag[k].out, far[W]()), min(bag[k].in+l.out, far[W]())}
			if i < len(links) && links[i].to == over.to {
				over.out, over.in = min(over.out, links[i].out), min(over.in, links[i].in)
				i++
			}
			into = append(into, over)
			k++
		}
	}
	return into
}

// linksOf returns the links of every node, ordered by the node at the other end.
func linksOf[W weight](g graph[W]) [][]link[W] {
	links := make([][]link[W], g.nodes())
	for v := range int32(len(links)) {
		for a := g.first[v]; a < g.first[v+1]; a++ {
			links[v] = append(links[v], link[W]{g.to[a], g.w[a], far[W]()})
			links[g.to[a]] = append(links[g.to[a]], link[W]{v, far[W](), g.w[a]})
		}
	}
	for v, all := range links {
		slices.SortFunc(all, func(a, b link[W]) int { return cmp.Compare(a.to, b.to) })
		kept := all[:0]
		for _, l := range all {
			if last := len(kept) - 1; last >= 0 && kept[last].to == l.to {
				kept[last].out, kept[last].in = min(kept[last].out, l.out), min(kept[last].in, l.in)
				continue
			}
			kept = append(kept, l)
		}
		links[v] = kept
	}
	return links
}

// degree says how many links a node had when this was queued.
type degree struct {
	links int
	node  int32
}

// degrees is a heap, the fewest links first.
type degrees []degree

func (d degrees) Len() int { return len(d) }
func (d degrees) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(d[i].links, d[j].links), cmp.Compare(d[i].node, d[j].node)) < 0
}
func (d degrees) Swap(i, j int) { d[i], d[j] = d[j], d[i] }
func (d *degrees) Push(x any)   { *d = append(*d, x.(degree)) }
func (d *degrees) Pop() any {
	last := len(*d) - 1
	x := (*d)[last]
	*d = (*d)[:last]
	return x
}
