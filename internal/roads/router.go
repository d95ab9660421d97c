package roads

import (
	"context"
	"time"

	"github.com/spotpool/spotpool/internal/geo"
)

// index holds the roads and the distances over them.
type index[W weight] struct {
	graph[W]
	*labels[W]
}

// newIndex fails if a best way weighs more than limit, which is longest at most.
func newIndex[W weight](ctx context.Context, nodes int, arcs []arc[W], limit W) (index[W], error) {
	g := newGraph(nodes, arcs)
	l, err := newLabels(ctx, g, limit)
	return index[W]{g, l}, err
}

// path returns the nodes of a best way, nil if there is none. Every arc weighs
// something, so each step leads nearer; of two that are as good it takes the one to
// the lesser node.
func (x index[W]) path(from, to int32) []int32 {
	left := x.distance(from, to)
	if left >= far[W]() {
		return nil
	}
	way := []int32{from}
	for v := from; v != to; way = append(way, v) {
		v, left = x.step(v, to, left)
	}
	return way
}

// step returns the node after v on the way to another, and how far it is from there.
func (x index[W]) step(v, to int32, left W) (int32, W) {
	for a := x.first[v]; ; a++ {
		if rest := x.distance(x.to[a], to); rest < far[W]() && x.w[a]+rest == left {
			return x.to[a], rest
		}
	}
}

// router answers with legs, whatever its roads are measured in.
type router interface {
	leg(from, to int32) geo.Leg
	path(from, to int32) []int32
}

// byLength measures roads in metres, all driven at one speed.
type byLength struct {
	index[uint32]
	metre time.Duration // for each metre
}

func (r byLength) leg(from, to int32) geo.Leg {
	w := r.distance(from, to)
	if w >= far[uint32]() {
		return geo.Unreachable
	}
	return geo.Leg{Metres: float64(w), Duration: time.Duration(w) * r.metre}
}

// timed is a time in milliseconds, in the upper half, and a distance in decimetres,
// in the lower: of two ways that take as long the shorter is the better. No car gets
// ahead two decimetres in a millisecond, so no sum of distances reaches the upper half.
type timed uint64

func newTimed(ms, decimetres uint32) timed { return timed(ms)<<32 | timed(decimetres) }

// byTime measures roads in driving time.
type byTime struct{ index[timed] }

func (r byTime) leg(from, to int32) geo.Leg {
	w := r.distance(from, to)
	if w >= far[timed]() {
		return geo.Unreachable
	}
	return geo.Leg{Metres: float64(uint32(w)) / 10, Duration: time.Duration(w>>32) * time.Millisecond}
}
