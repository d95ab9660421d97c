package roads

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/spotpool/spotpool/internal/geo"
)

// A town that is large enough to be dissected on several goroutines, half of it
// one-way: Dijkstra's distances, and no leg above the pace.
func TestTown(t *testing.T) {
	points, even := grid(50, 50)
	r := rand.New(rand.NewPCG(7, 8))
	var arcs []arc[timed]
	for _, a := range even {
		if r.IntN(4) > 0 {
			arcs = append(arcs, arc[timed]{a.from, a.to, newTimed(a.w*uint32(50+r.IntN(100)), 10*a.w)})
		}
	}
	x, err := newIndex(t.Context(), len(points), arcs, longest[timed]())
	if err != nil {
		t.Fatal(err)
	}
	pace := paceOf(points, arcs, func(w timed) time.Duration { return time.Duration(w>>32) * time.Millisecond })
	inside, size := x.largestComponent()
	n := newNetwork(points, inside, byTime{x}, pace)
	if n.Outside() != len(points)-size || n.Outside() == 0 || size < len(points)/2 {
		t.Errorf("%d of %d nodes outside", n.Outside(), len(points))
	}
	for range 20 {
		from := r.IntN(len(points))
		for to, want := range dijkstra(x.graph, int32(from)) {
			got := x.distance(int32(from), int32(to))
			if got != want && (got < far[timed]() || want < far[timed]()) {
				t.Fatalf("%d to %d: %d, want %d", from, to, got, want)
			}
			leg := n.Leg(n.Node(from), n.Node(to))
			if straight := geo.Distance(points[from], points[to]); straight > n.Pace()*leg.Duration.Seconds() {
				t.Fatalf("%d to %d: %.1f m in %v, the pace is %v", from, to, straight, leg.Duration, n.Pace())
			}
			if inside[from] && inside[to] && leg == geo.Unreachable {
				t.Fatalf("%d to %d: no way inside the largest component", from, to)
			}
		}
	}
}

func TestPreparingStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ReadEdges(ctx, write(t, townEdges, townRnet), 10); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that of the context", err)
	}
}

// The nearest site is the one that comparing all finds, wherever on the globe.
func TestNearest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		point := rapid.Custom(func(t *rapid.T) geo.Point {
			return geo.Point{
				Lat: float64(rapid.IntRange(-9, 9).Draw(t, "lat")) * 10,
				Lng: float64(rapid.IntRange(-36, 36).Draw(t, "lng")) * 5,
			}
		})
		points := rapid.SliceOfN(point, 1, 60).Draw(t, "sites")
		all := make([]site, len(points))
		for v, p := range points {
			all[v] = site{vectorOf(p), int32(v)}
		}
		s := newSites(all)
		for range 20 {
			p := point.Draw(t, "p")
			best := math.Inf(1)
			for _, q := range points {
				best = min(best, geo.Distance(p, q))
			}
			if got := geo.Distance(p, points[s.nearest(p)]); got > best+1e-3 {
				t.Fatalf("%v: %.3f m to %v, the nearest is %.3f m away", p, got, points[s.nearest(p)], best)
			}
		}
	})
}

// A thousand legs without a way still add up.
func TestUnreachableAddsUp(t *testing.T) {
	sum := time.Duration(0)
	for range 1000 {
		if sum += geo.Unreachable.Duration; sum <= 0 {
			t.Fatal("overflow")
		}
	}
	if longestLeg := time.Duration(2*longest[timed]()>>32) * time.Millisecond; longestLeg >= geo.Unreachable.Duration {
		t.Errorf("a leg of %v is not shorter than none", longestLeg)
	}
}
