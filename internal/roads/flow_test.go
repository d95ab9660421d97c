package roads

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// The cut parts the ends from each other, and has as many nodes as there are streams
// that share none: there is no smaller one.
func TestSmallestCut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 30).Draw(t, "nodes")
		p := part[timed]{nodes: make([]int32, n), links: linksOf(newGraph(n, drawArcs(t, n)))}
		order := make([]int32, n)
		for v := range order {
			order[v] = int32(v)
		}
		order = rapid.Permutation(order).Draw(t, "order")
		k := rapid.IntRange(1, n/2).Draw(t, "ends")
		f := newFlow(p, order[:k], order[n-k:])
		streams := 0
		for f.grow() {
			streams++
		}
		cut, first, second := f.cut()
		if len(cut) != streams {
			t.Fatalf("a cut of %d nodes, and %d streams", len(cut), streams)
		}
		if len(cut)+len(first)+len(second) != n {
			t.Fatalf("cut %v, halves %v and %v of %d nodes", cut, first, second, n)
		}
		for _, v := range first {
			if slices.Contains(order[n-k:], v) {
				t.Fatalf("end %d is on the side of the beginnings", v)
			}
			for _, l := range p.links[v] {
				if slices.Contains(second, l.to) {
					t.Fatalf("%d is joined to %d", v, l.to)
				}
			}
		}
		for _, v := range order[:k] {
			if slices.Contains(second, v) {
				t.Fatalf("beginning %d is on the side of the ends", v)
			}
		}
	})
}

// The second stream has to push the first one out of two nodes in a row.
func TestStreamsGiveWay(t *testing.T) {
	var arcs []arc[uint32]
	for _, road := range [][2]int32{{0, 2}, {2, 3}, {3, 9}, {1, 4}, {4, 5}, {5, 3}, {0, 6}, {6, 7}, {7, 8}, {8, 10}} {
		arcs = append(arcs, arc[uint32]{road[0], road[1], 1})
	}
	p := part[uint32]{nodes: make([]int32, 11), links: linksOf(newGraph(11, arcs))}
	f := newFlow(p, []int32{0, 1}, []int32{9, 10})
	if !f.grow() || f.before[3] != 2 {
		t.Fatal("the first stream does not take the shortest way, 0 2 3 9")
	}
	if !f.grow() || f.grow() || f.before[3] != 5 || f.before[2] != none {
		t.Errorf("before %v, want streams 0 6 7 8 10 and 1 4 5 3 9", f.before)
	}
}
