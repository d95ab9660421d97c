package roads

import (
	"cmp"
	"slices"
)

// link joins two nodes: the best road out to the other and the best back in.
type link[W weight] struct {
	to      int32
	out, in W
}

// part is a part of a network. It numbers its nodes from 0.
type part[W weight] struct {
	nodes []int32     // as the network numbers them
	links [][]link[W] // ordered by the node they lead to
	code  code
	ends  []W // where the cuts of the parts around it end in the labels of its nodes
}

// linksOf returns the links of every node.
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

// even reports whether every way is as long as the way back.
func even[W weight](links [][]link[W]) bool {
	return !slices.ContainsFunc(links, func(all []link[W]) bool {
		return slices.ContainsFunc(all, func(l link[W]) bool { return l.out != l.in })
	})
}

// half returns the part that consists of some of the nodes, which are in order.
func (p part[W]) half(nodes []int32, second bool) part[W] {
	number := make([]int32, len(p.nodes))
	for i := range number {
		number[i] = -1
	}
	h := part[W]{nodes: make([]int32, len(nodes)), links: make([][]link[W], len(nodes)), code: p.code.half(second), ends: p.ends}
	for i, v := range nodes {
		number[v], h.nodes[i] = int32(i), p.nodes[v]
	}
	for i, v := range nodes {
		for _, l := range p.links[v] {
			if to := number[l.to]; to >= 0 {
				h.links[i] = append(h.links[i], link[W]{to, l.out, l.in})
			}
		}
	}
	return h
}

// border returns which of the nodes have links to others, by their place among them.
func (p part[W]) border(nodes []int32) []int32 {
	inside := make([]bool, len(p.nodes))
	for _, v := range nodes {
		inside[v] = true
	}
	var border []int32
	for i, v := range nodes {
		if slices.ContainsFunc(p.links[v], func(l link[W]) bool { return !inside[l.to] }) {
			border = append(border, int32(i))
		}
	}
	return border
}

// join adds a way from u to v.
func (p part[W]) join(u, v int32, w W) {
	p.link(u, v).out = w
	p.link(v, u).in = w
}

// link returns the link from u to v, which it makes if there is none.
func (p part[W]) link(u, v int32) *link[W] {
	i, ok := slices.BinarySearchFunc(p.links[u], v, func(l link[W], v int32) int { return cmp.Compare(l.to, v) })
	if !ok {
		p.links[u] = slices.Insert(p.links[u], i, link[W]{v, far[W](), far[W]()})
	}
	return &p.links[u][i]
}
