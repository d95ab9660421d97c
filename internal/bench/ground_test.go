package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/spotpool/spotpool/internal/geo"
	"github.com/spotpool/spotpool/internal/roads"
)

// streets makes a road network of a town.
func streets(t *testing.T, m *town) Streets {
	t.Helper()
	var edges, rnet strings.Builder
	count := 0
	for a, row := range m.metres {
		for b, metres := range row[:a] {
			if metres < far {
				fmt.Fprintf(&edges, "%d %d %d\n", a, b, metres)
				p, q := m.Node(a), m.Node(b)
				fmt.Fprintf(&rnet, "%d %d %d %.6f %.6f %.6f %.6f\n", count, a, b, p.Lng, p.Lat, q.Lng, q.Lat)
				count++
			}
		}
	}
	prefix := filepath.Join(t.TempDir(), "town")
	for end, text := range map[string]string{".edges": fmt.Sprintf("%d %d\n%s", m.Nodes(), count, edges.String()), ".rnet": rnet.String()} {
		if err := os.WriteFile(prefix+end, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	n, err := roads.ReadEdges(t.Context(), prefix, speed)
	if err != nil {
		t.Fatal(err)
	}
	return Streets{n}
}

// A vehicle under way turns at the first spot on its way that it reaches after it is
// told to, and gets no later to where it goes if it then goes on.
func TestTurning(t *testing.T) {
	grid := newTown(9, [][3]int{{0, 1, 70}, {1, 2, 60}, {3, 4, 80}, {4, 5, 50}, {6, 7, 90}, {7, 8, 60}, {0, 3, 65}, {3, 6, 75}, {1, 4, 55}, {4, 7, 85}, {2, 5, 95}, {5, 8, 45}})
	for name, g := range map[string]Ground{"streets": streets(t, grid), "open": Open{geo.DefaultTravel}, "plane": newPlane(30)} {
		rapid.Check(t, func(t *rapid.T) {
			place := func(name string) geo.Spot {
				if s, ok := g.(Streets); ok {
					return s.Node(rapid.IntRange(0, 8).Draw(t, name))
				}
				return geo.Spot{Point: geo.Point{
					Lat: float64(rapid.IntRange(31_000, 31_300).Draw(t, name+" lat")) / 1000,
					Lng: float64(rapid.IntRange(121_000, 121_300).Draw(t, name+" lng")) / 1000,
				}}
			}
			from, to := place("from"), place("to")
			leg := g.Leg(from, to)
			driven := time.Duration(rapid.Int64Range(0, int64(leg.Duration)+int64(time.Second)).Draw(t, "driven"))
			spot, at := g.Way(from, to).Turn(driven)
			rounding := time.Microsecond
			if _, whole := g.(Open); whole {
				rounding = time.Second // legs are rounded up to one
			}
			switch rest := g.Leg(spot, to).Duration; {
			case at < driven && spot != to:
				t.Fatalf("%s: turns at %v, before %v", name, at, driven)
			case at+rest > leg.Duration+rounding:
				t.Fatalf("%s: by way of the turn %v, straight on %v", name, at+rest, leg.Duration)
			case g.Leg(from, spot).Duration > at+rounding:
				t.Fatalf("%s: is at %v after %v, which takes %v", name, spot, at, g.Leg(from, spot).Duration)
			case at-driven > 10*time.Second:
				t.Fatalf("%s: turns only %v later", name, at-driven)
			}
		})
	}
}
