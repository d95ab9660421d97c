package roads

import (
	"cmp"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/spotpool/spotpool/internal/geo"
)

// pairs are how many random pairs of nodes the benchmarks ask for in turn.
const pairs = 1 << 16

// benchNetwork is the network of the files whose prefix SPOTPOOL_ROADS holds, or else
// a grid of streets.
func benchNetwork(b *testing.B) *Network {
	b.Helper()
	if path := os.Getenv("SPOTPOOL_ROADS"); path != "" {
		n, err := ReadEdges(b.Context(), path, 10)
		if err != nil {
			b.Fatal(err)
		}
		return n
	}
	points, arcs := grid(110, 110)
	n, err := newEven(b.Context(), points, arcs, 100*time.Millisecond)
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// grid is a city of straight streets, about 100 m apart, some of which are missing.
func grid(columns, rows int) (points []geo.Point, arcs []arc[uint32]) {
	r := rand.New(rand.NewPCG(1, 2))
	join := func(u, v int) {
		if r.IntN(5) > 0 {
			w := uint32(90 + r.IntN(40))
			arcs = append(arcs, arc[uint32]{int32(u), int32(v), w}, arc[uint32]{int32(v), int32(u), w})
		}
	}
	for v := range columns * rows {
		points = append(points, geo.Point{Lat: 40 + float64(v/columns)*9e-4, Lng: float64(v%columns) * 1.2e-3})
		if v%columns > 0 {
			join(v, v-1)
		}
		if v >= columns {
			join(v, v-columns)
		}
	}
	return points, arcs
}

func randomPairs(n *Network) [][2]geo.Spot {
	r := rand.New(rand.NewPCG(3, 4))
	all := make([][2]geo.Spot, pairs)
	for i := range all {
		all[i] = [2]geo.Spot{n.Node(r.IntN(n.Nodes())), n.Node(r.IntN(n.Nodes()))}
	}
	return all
}

func BenchmarkLeg(b *testing.B) {
	n := benchNetwork(b)
	all := randomPairs(n)
	i := 0
	for b.Loop() {
		n.Leg(all[i%pairs][0], all[i%pairs][1])
		i++
	}
	b.StopTimer()
	// A clock that is read for every query costs more than the query.
	const group = 16
	took := make([]time.Duration, 0, pairs/group)
	for k := 0; k < pairs; k += group {
		begin := time.Now()
		for _, p := range all[k : k+group] {
			n.Leg(p[0], p[1])
		}
		took = append(took, time.Since(begin)/group)
	}
	slices.SortFunc(took, cmp.Compare)
	b.ReportMetric(float64(took[len(took)/2]), "p50-ns")
	b.ReportMetric(float64(took[len(took)*99/100]), "p99-ns")
}

func BenchmarkPath(b *testing.B) {
	n := benchNetwork(b)
	all := randomPairs(n)
	nodes, i := 0, 0
	for b.Loop() {
		nodes += len(n.Path(all[i%pairs][0], all[i%pairs][1]))
		i++
	}
	b.ReportMetric(float64(nodes)/float64(i), "nodes/op")
}

func BenchmarkLocate(b *testing.B) {
	n := benchNetwork(b)
	all := randomPairs(n)
	i := 0
	for b.Loop() {
		p := all[i%pairs][0].Point
		p.Lat += 3e-4
		n.Locate(p)
		i++
	}
}

func BenchmarkDijkstra(b *testing.B) {
	x := benchNetwork(b).router.(byLength)
	r := rand.New(rand.NewPCG(5, 6))
	for b.Loop() {
		dijkstra(x.graph, int32(r.IntN(x.nodes())))
	}
}

// BenchmarkTable looks up a full table, where it fits.
func BenchmarkTable(b *testing.B) {
	n := benchNetwork(b)
	x := n.router.(byLength)
	if n.Nodes() > 20_000 {
		b.Fatalf("a table of %d nodes does not fit", n.Nodes())
	}
	table := make([]uint32, 0, n.Nodes()*n.Nodes())
	for v := range int32(n.Nodes()) {
		for u := range int32(n.Nodes()) {
			table = append(table, x.distance(v, u))
		}
	}
	all := randomPairs(n)
	i, sum := 0, uint32(0)
	for b.Loop() {
		p := all[i%pairs]
		sum += table[int(p[0].Node)*n.Nodes()+int(p[1].Node)]
		i++
	}
	b.ReportMetric(float64(4*len(table))/1e6, "MB")
}

func BenchmarkPrepare(b *testing.B) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	n := benchNetwork(b)
	runtime.GC()
	runtime.ReadMemStats(&after)
	for b.Loop() {
		benchNetwork(b)
	}
	x := n.router.(byLength)
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/1e6, "MB-kept")
	b.ReportMetric(float64(len(x.out))/float64(n.Nodes()), "entries/node")
	runtime.KeepAlive(n)
}
