package roads

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"github.com/spotpool/spotpool/internal/geo"
)

// ReadEdges reads the roads of prefix.edges and the coordinates of prefix.rnet, the
// files of the Cargo ridesharing benchmark (Pan, Li and Hu, PVLDB 12(10), 2019), to be
// driven both ways at a speed in metres a second. The first line of .edges counts nodes
// and edges, the others are `u v metres`; a road of 0 metres counts as 1, one that ends
// where it begins is left out. The lines of .rnet are `id u v lng lat lng lat`. An error
// names the file and the line.
func ReadEdges(ctx context.Context, prefix string, speed float64) (*Network, error) {
	if !(speed >= 0.1 && speed <= 1000) {
		return nil, fmt.Errorf("a speed of %v m/s: want 0.1 to 1000", speed)
	}
	metre := time.Duration(math.Round(float64(time.Second) / speed))
	var nodes int
	var arcs []arc[uint32]
	err := readFile(prefix+".edges", func(in *lines) (err error) {
		nodes, arcs, err = readEdges(in)
		return err
	})
	if err != nil {
		return nil, err
	}
	var points []geo.Point
	err = readFile(prefix+".rnet", func(in *lines) (err error) {
		points, err = readPoints(in, nodes)
		return err
	})
	if err != nil {
		return nil, err
	}
	n, err := newEven(ctx, points, arcs, metre)
	if err != nil {
		return nil, fmt.Errorf("%s.edges: %w", prefix, err)
	}
	return n, nil
}

// newEven makes a network of arcs that are all driven at one speed.
func newEven(ctx context.Context, points []geo.Point, arcs []arc[uint32], metre time.Duration) (*Network, error) {
	x, err := newIndex(ctx, len(points), arcs, min(longest[uint32](), uint32(geo.Unreachable.Duration/2/metre)))
	if err != nil {
		return nil, err
	}
	pace := paceOf(points, arcs, func(w uint32) time.Duration { return time.Duration(w) * metre })
	inside, _ := x.largestComponent()
	return newNetwork(points, inside, byLength{x, metre}, pace), nil
}

// readEdges returns the number of nodes, and every road as two arcs.
func readEdges(in *lines) (int, []arc[uint32], error) {
	head, err := in.whole(2)
	if err != nil {
		return 0, nil, in.unlessEnd(err, "want the numbers of nodes and of edges")
	}
	nodes, edges := head[0], head[1]
	if nodes == 0 || nodes > 2*edges || nodes > math.MaxInt32 {
		return 0, nil, in.fault("%d edges cannot join %d nodes", edges, nodes)
	}
	var arcs []arc[uint32]
	for read := 0; ; read++ {
		f, err := in.whole(3)
		if errors.Is(err, io.EOF) && read == edges {
			return nodes, arcs, nil
		}
		if err != nil {
			return 0, nil, in.unlessEnd(err, "%d edges where line 1 says %d", read, edges)
		}
		u, v, metres := f[0], f[1], max(f[2], 1)
		switch {
		case read == edges:
			return 0, nil, in.fault("more edges than the %d of line 1", edges)
		case u >= nodes || v >= nodes:
			return 0, nil, in.fault("node %d, where the last is %d", max(u, v), nodes-1)
		case metres > int(longest[uint32]()):
			return 0, nil, in.fault("a road of %d metres is too long", metres)
		case u != v:
			arcs = append(arcs, arc[uint32]{int32(u), int32(v), uint32(metres)}, arc[uint32]{int32(v), int32(u), uint32(metres)})
		}
	}
}

// readPoints returns where the nodes lie.
func readPoints(in *lines, nodes int) ([]geo.Point, error) {
	points, known := make([]geo.Point, nodes), make([]bool, nodes)
	for {
		f, err := in.next(7)
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		for k := range 2 {
			v, err := in.number(f[1+k])
			if err != nil {
				return nil, err
			}
			p, err := in.point(f[4+2*k], f[3+2*k])
			switch {
			case err != nil:
				return nil, err
			case v >= nodes:
				return nil, in.fault("node %d, where the last is %d", v, nodes-1)
			case known[v] && points[v] != p:
				return nil, in.fault("node %d lies elsewhere than a line before says", v)
			}
			points[v], known[v] = p, true
		}
	}
	if v := slices.Index(known, false); v >= 0 {
		return nil, in.fault("no line says where node %d lies", v)
	}
	return points, nil
}
