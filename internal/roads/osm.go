package roads

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"time"

	"github.com/spotpool/spotpool/internal/geo"
)

// apart is how many metres a vehicle drives on an OpenStreetMap road without coming to
// a node where it could stop or turn, if its nodes are not farther apart anyway.
const apart = 150

// tooFar is how many metres no two neighbours of a road are apart.
const tooFar = 1_000_000

// ReadPBF reads the roads that cars may drive from OpenStreetMap data, such as a city's
// .osm.pbf. Their speeds follow their class and speed limit, one-way streets are kept,
// turn restrictions are not. Nodes are junctions, ends of ways, and enough of those in
// between, in the order in which ways come to them; only the largest set of nodes in
// which each can be reached from all others is kept. An error names the file and the
// byte.
func ReadPBF(ctx context.Context, path string) (*Network, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	n, err := readOSM(ctx, f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return n, nil
}

func readOSM(ctx context.Context, in io.ReadSeeker) (*Network, error) {
	m := streets{uses: map[int64]int{}, at: map[int64]geo.Point{}, number: map[int64]int32{}}
	if err := m.read(ctx, in, visitor{way: m.addWay}); err != nil {
		return nil, err
	}
	if err := m.read(ctx, in, visitor{node: m.addNode}); err != nil {
		return nil, err
	}
	for _, w := range m.ways {
		if err := m.addRoads(w); err != nil {
			return nil, err
		}
	}
	return m.network(ctx)
}

// streets is what has been collected of OpenStreetMap data.
type streets struct {
	ways   []way
	uses   map[int64]int       // how often a node occurs in ways; an end counts twice
	at     map[int64]geo.Point // where the nodes of ways lie
	number map[int64]int32     // of the nodes that are kept
	points []geo.Point
	arcs   []arc[timed]
}

type way struct {
	driving
	refs []int64
}

func (m *streets) read(ctx context.Context, in io.ReadSeeker, v visitor) error {
	if _, err := in.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return readBlocks(ctx, in, func(data []byte) error { return visitBlock(data, v) })
}

func (m *streets) addWay(refs []int64, tags map[string]string) {
	d := drive(tags)
	if !d.onward && !d.back || len(refs) < 2 {
		return
	}
	m.ways = append(m.ways, way{d, refs})
	for _, ref := range refs {
		m.uses[ref]++
	}
	m.uses[refs[0]]++
	m.uses[refs[len(refs)-1]]++
}

func (m *streets) addNode(id int64, at geo.Point) {
	if m.uses[id] > 0 && at.Valid() {
		m.at[id] = at
	}
}

// addRoads adds the roads of a way from node to node. Where the data do not hold a node,
// as at the border of an extract, the way is interrupted.
func (m *streets) addRoads(w way) error {
	begin, metres := int32(none), 0.0
	for i, ref := range w.refs {
		at, known := m.at[ref]
		if !known {
			begin = none
			continue
		}
		if begin != none {
			metres += geo.Distance(m.at[w.refs[i-1]], at)
			if metres > tooFar {
				return fmt.Errorf("nodes %d and %d of a road are %.0f km apart", w.refs[i-1], ref, metres/1000)
			}
			if m.uses[ref] < 2 && metres < apart && i+1 < len(w.refs) {
				continue
			}
		}
		v := m.keep(ref, at)
		if begin != none {
			m.addRoad(begin, v, metres, w.driving)
		}
		begin, metres = v, 0
	}
	return nil
}

// keep returns the number of a node.
func (m *streets) keep(ref int64, at geo.Point) int32 {
	v, ok := m.number[ref]
	if !ok {
		v = int32(len(m.points))
		m.number[ref], m.points = v, append(m.points, at)
	}
	return v
}

func (m *streets) addRoad(from, to int32, metres float64, d driving) {
	ms := max(1, math.Ceil(1000*metres/d.speed))
	w := newTimed(uint32(ms), uint32(math.Round(10*metres)))
	if d.onward {
		m.arcs = append(m.arcs, arc[timed]{from, to, w})
	}
	if d.back {
		m.arcs = append(m.arcs, arc[timed]{to, from, w})
	}
}

// network makes a network of the largest component.
func (m *streets) network(ctx context.Context) (*Network, error) {
	if len(m.arcs) == 0 {
		return nil, errors.New("no road in it may be driven")
	}
	inside, size := newGraph(len(m.points), m.arcs).largestComponent()
	number := make([]int32, len(m.points))
	points := make([]geo.Point, 0, size)
	for v, in := range inside {
		number[v] = int32(len(points))
		if in {
			points = append(points, m.points[v])
		}
	}
	var arcs []arc[timed]
	for _, a := range m.arcs {
		if inside[a.from] && inside[a.to] {
			arcs = append(arcs, arc[timed]{number[a.from], number[a.to], a.w})
		}
	}
	x, err := newIndex(ctx, len(points), arcs, longest[timed]())
	if err != nil {
		return nil, err
	}
	all := make([]bool, len(points))
	for v := range all {
		all[v] = true
	}
	n := newNetwork(points, all, byTime{x}, paceOf(points, arcs, func(w timed) time.Duration {
		return time.Duration(w>>32) * time.Millisecond
	}))
	n.outside = len(m.points) - size
	return n, nil
}
