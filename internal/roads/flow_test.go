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
