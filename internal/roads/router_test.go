package roads

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// drawArcs draws roads among a few nodes: some one-way, some parallel, some that end
// where they begin, some that come to nothing together.
func drawArcs(t *rapid.T, nodes int) []arc[timed] {
	node := rapid.Int32Range(0, int32(nodes-1))
	weigh := rapid.Custom(func(t *rapid.T) timed {
		return newTimed(rapid.Uint32Range(1, 9).Draw(t, "ms"), rapid.Uint32Range(0, 9).Draw(t, "dm"))
	})
	var arcs []arc[timed]
	for range rapid.IntRange(0, 3*nodes).Draw(t, "roads") {
		a := arc[timed]{node.Draw(t, "from"), node.Draw(t, "to"), weigh.Draw(t, "there")}
		arcs = append(arcs, a)
		if rapid.Bool().Draw(t, "both ways") {
			arcs = append(arcs, arc[timed]{a.to, a.from, weigh.Draw(t, "back")})
		}
	}
	return arcs
}

// Every distance is Dijkstra's, and every path is as long as its distance.
func TestBestWays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes := rapid.IntRange(1, 40).Draw(t, "nodes")
		x, err := newIndex(t.Context(), nodes, drawArcs(t, nodes), longest[timed]())
		if err != nil {
			t.Fatal(err)
		}
		checkWays(t, x)
	})
}

// The same where every road runs both ways, so that one array serves both directions.
func TestBestWaysBothWays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes := rapid.IntRange(1, 40).Draw(t, "nodes")
		node := rapid.Int32Range(0, int32(nodes-1))
		var arcs []arc[uint32]
		for range rapid.IntRange(0, 3*nodes).Draw(t, "roads") {
			u, v, w := node.Draw(t, "from"), node.Draw(t, "to"), rapid.Uint32Range(1, 9).Draw(t, "metres")
			arcs = append(arcs, arc[uint32]{u, v, w}, arc[uint32]{v, u, w})
		}
		x, err := newIndex(t.Context(), nodes, arcs, longest[uint32]())
		if err != nil {
			t.Fatal(err)
		}
		if len(x.out) > 0 && &x.out[0] != &x.in[0] {
			t.Fatal("distances are stored twice")
		}
		checkWays(t, x)
	})
}

func checkWays[W weight](t *rapid.T, x index[W]) {
	for from := range int32(x.nodes()) {
		want := dijkstra(x.graph, from)
		for to, best := range want {
			got := x.distance(from, int32(to))
			if got != best && (got < far[W]() || best < far[W]()) {
				t.Fatalf("%d to %d: %d, want %d", from, to, got, best)
			}
			checkPath(t, x, from, int32(to))
		}
	}
}

// checkPath sees that the path follows arcs and that each part of it is a best way.
func checkPath[W weight](t *rapid.T, x index[W], from, to int32) {
	path, left := x.path(from, to), x.distance(from, to)
	if left >= far[W]() {
		if path != nil {
			t.Fatalf("%d to %d: path %v, want none", from, to, path)
		}
		return
	}
	if path[0] != from || path[len(path)-1] != to {
		t.Fatalf("%d to %d: path %v", from, to, path)
	}
	for i, v := range path[1:] {
		a := slices.Index(x.to[x.first[path[i]]:x.first[path[i]+1]], v)
		if a < 0 {
			t.Fatalf("%d to %d: path %v follows no road to %d", from, to, path, v)
		}
		left -= x.w[int(x.first[path[i]])+a]
		if rest := x.distance(v, to); rest != left {
			t.Fatalf("%d to %d: path %v has %d left at %d, want %d", from, to, path, left, v, rest)
		}
	}
}
