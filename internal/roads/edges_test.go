package roads

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spotpool/spotpool/internal/geo"
)

var _ geo.Travel = (*Network)(nil)

// write puts the two files into a directory and returns their prefix.
func write(t testing.TB, edges, rnet string) string {
	t.Helper()
	prefix := filepath.Join(t.TempDir(), "town")
	for name, text := range map[string]string{prefix + ".edges": edges, prefix + ".rnet": rnet} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return prefix
}

// A triangle of which one side is longer than the way round, and a road apart.
const (
	townEdges = "5 5\n0 1 100\n1 2 150\n0 2 400\n2 2 7\n3 4 0\n"
	townRnet  = "0 0 1 8.000 50 8.001 50\n1 1 2 8.001 50 8.002 50\n2 0 2 8.000 50 8.002 50\n3 2 2 8.002 50 8.002 50\n4 3 4 9 50 9.00001 50\n"
)

func TestReadEdges(t *testing.T) {
	n, err := ReadEdges(t.Context(), write(t, townEdges, townRnet), 10)
	if err != nil {
		t.Fatal(err)
	}
	if n.Nodes() != 5 || n.Outside() != 2 {
		t.Errorf("%d nodes, %d outside, want 5 and 2", n.Nodes(), n.Outside())
	}
	for _, c := range []struct {
		from, to int
		want     geo.Leg
	}{
		{0, 0, geo.Leg{}},
		{0, 1, geo.Leg{Metres: 100, Duration: 10 * time.Second}},
		{2, 0, geo.Leg{Metres: 250, Duration: 25 * time.Second}},
		{3, 4, geo.Leg{Metres: 1, Duration: 100 * time.Millisecond}},
		{1, 4, geo.Unreachable},
	} {
		if got := n.Leg(n.Node(c.from), n.Node(c.to)); got != c.want {
			t.Errorf("%d to %d: %v, want %v", c.from, c.to, got, c.want)
		}
	}
	if spot := n.Locate(geo.Point{Lat: 50, Lng: 8.9}); spot.Node != 2 || spot.Point != (geo.Point{Lat: 50, Lng: 8.002}) {
		t.Errorf("located at %v, want node 2, the nearest in the largest component", spot)
	}
	if path := n.Path(n.Node(2), n.Node(0)); len(path) != 3 || path[1] != n.Node(1) {
		t.Errorf("path %v, want 2 1 0", path)
	}
	if path := n.Path(n.Node(2), n.Node(3)); path != nil {
		t.Errorf("path %v, want none", path)
	}
	// The road of 0 metres is counted as 1, and is the fastest of all: 0.72 m in 0.1 s.
	if pace := n.Pace(); pace < 7.14 || pace > 7.16 {
		t.Errorf("pace %v, want 7.15", pace)
	}
}

func TestReadEdgesRefuses(t *testing.T) {
	for name, c := range map[string]struct{ edges, rnet, want string }{
		"an empty file":           {"", townRnet, "town.edges:0: the file ends here: want the numbers of nodes and of edges"},
		"a head of one number":    {"5\n", townRnet, "town.edges:1: 1 fields, want 2"},
		"a head that is no count": {"five 5\n", townRnet, `town.edges:1: "five" is not a whole number of 0 or more`},
		"no nodes":                {"0 0\n", "", "town.edges:1: 0 edges cannot join 0 nodes"},
		"far too many nodes":      {"2000000000 5\n0 1 100\n", townRnet, "town.edges:1: 5 edges cannot join 2000000000 nodes"},
		"far too many edges":      {"2000000000 2000000000\n0 1 100\n", townRnet, "town.edges:2: the file ends here: 1 edges where line 1 says 2000000000"},
		"a number of 30 digits":   {"5 100000000000000000000000000000\n", townRnet, `town.edges:1: "100000000000000000000000000000" is not a whole number of 0 or more`},
		"cut off":                 {"5 5\n0 1 100\n1 2", townRnet, "town.edges:3: 2 fields, want 3"},
		"edges missing":           {"5 5\n0 1 100\n1 2 150\n", townRnet, "town.edges:3: the file ends here: 2 edges where line 1 says 5"},
		"an edge too many":        {townEdges + "0 4 1\n", townRnet, "town.edges:7: more edges than the 5 of line 1"},
		"an unknown node":         {"3 2\n0 1 100\n1 3 150\n", townRnet, "town.edges:3: node 3, where the last is 2"},
		"a negative length":       {"3 2\n0 1 100\n1 2 -150\n", townRnet, `town.edges:3: "-150" is not a whole number of 0 or more`},
		"a fraction":              {"3 2\n0 1 100\n1 2 1.5\n", townRnet, `town.edges:3: "1.5" is not a whole number of 0 or more`},
		"a road round the sun":    {"3 2\n0 1 100\n1 2 940000000000\n", townRnet, "town.edges:3: a road of 940000000000 metres is too long"},
		"a line without an end":   {"3 2\n0 1 " + strings.Repeat("1", 1<<17), townRnet, "town.edges:2: bufio.Scanner: token too long"},
		"a way too long to add":   {"3 2\n0 1 536870912\n1 2 536870912\n", "0 0 1 1 1 2 2\n1 1 2 2 2 3 3\n", "town.edges: a way in it is too long to be measured"},
		"a coordinate missing":    {townEdges, "0 0 1 8.000 50 8.001\n", "town.rnet:1: 6 fields, want 7"},
		"off the globe":           {townEdges, "0 0 1 8.000 91 8.001 50\n", `town.rnet:1: longitude "8.000", latitude "91" is no point on the globe`},
		"no number":               {townEdges, "0 0 1 8.000 NaN 8.001 50\n", `town.rnet:1: longitude "8.000", latitude "NaN" is no point on the globe`},
		"a stranger":              {townEdges, "0 0 5 8 50 8.001 50\n", "town.rnet:1: node 5, where the last is 4"},
		"in two places":           {townEdges, townRnet + "5 0 1 8 50 9 50\n", "town.rnet:6: node 1 lies elsewhere than a line before says"},
		"a node nowhere":          {townEdges, "0 0 1 8.000 50 8.001 50\n", "town.rnet:1: no line says where node 2 lies"},
	} {
		t.Run(name, func(t *testing.T) {
			prefix := write(t, c.edges, c.rnet)
			_, err := ReadEdges(t.Context(), prefix, 10)
			if err == nil {
				t.Fatal("read without complaint")
			}
			if got := strings.TrimPrefix(err.Error(), filepath.Dir(prefix)+"/"); got != c.want {
				t.Errorf("error %q, want %q", got, c.want)
			}
		})
	}
}

func TestReadEdgesRefusesSpeeds(t *testing.T) {
	prefix := write(t, townEdges, townRnet)
	for _, speed := range []float64{0, -1, 1e-9, 1e9} {
		if _, err := ReadEdges(t.Context(), prefix, speed); err == nil {
			t.Errorf("a speed of %v was taken", speed)
		}
	}
	if _, err := ReadEdges(t.Context(), prefix+"x", 10); err == nil {
		t.Error("read a file that is not there")
	}
}

// Whatever stands in the files, reading them ends in a network or in an error.
func FuzzReadEdges(f *testing.F) {
	f.Add(townEdges, townRnet)
	f.Add("2 1\n0 1 1\n", "0 0 1 0 0 1e-9 90\n")
	f.Fuzz(func(t *testing.T, edges, rnet string) {
		n, err := ReadEdges(t.Context(), write(t, edges, rnet), 10)
		if err != nil {
			return
		}
		for v := range n.Nodes() {
			if n.Leg(n.Node(v), n.Node(0)).Duration < 0 || n.Locate(n.Node(v).Point).Valid() == false {
				t.Fatalf("node %d is not part of a network", v)
			}
		}
	})
}
