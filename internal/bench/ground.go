package bench

import (
	"sort"
	"time"

	"github.com/spotpool/spotpool/internal/geo"
	"github.com/spotpool/spotpool/internal/roads"
)

// Ground is what vehicles drive on.
type Ground interface {
	geo.Travel
	// Way returns the way that Leg measures.
	Way(from, to geo.Spot) Way
}

// Way is a way from one spot to another. Its methods count the time from leaving
// the first spot.
type Way interface {
	// Turn returns the first spot at which a vehicle that has driven for so long
	// can turn, and when it is there: at the way's end at the latest.
	Turn(driven time.Duration) (geo.Spot, time.Duration)
}

// Open is ground without roads: vehicles drive straight on and turn every block.
type Open struct{ geo.Straight }

// Way implements Ground.
func (o Open) Way(from, to geo.Spot) Way { return line{from, to, o.Leg(from, to).Duration} }

// block is how long a vehicle drives from one place where it can turn to the next.
const block = 10 * time.Second

// line is a straight way.
type line struct {
	from, to geo.Spot
	takes    time.Duration
}

// Turn implements Way. Over the few kilometres that a vehicle drives, a line of
// latitudes and longitudes is the great circle to within a metre.
func (l line) Turn(driven time.Duration) (geo.Spot, time.Duration) {
	at := (driven + block - 1).Truncate(block)
	if at >= l.takes {
		return l.to, l.takes
	}
	share := float64(at) / float64(l.takes)
	return geo.Spot{Point: geo.Point{
		Lat: l.from.Lat + share*(l.to.Lat-l.from.Lat),
		Lng: l.from.Lng + share*(l.to.Lng-l.from.Lng),
	}}, at
}

// Streets is a road network as ground: vehicles turn at its nodes.
type Streets struct{ *roads.Network }

// Way implements Ground.
func (s Streets) Way(from, to geo.Spot) Way { return street{s.Network, s.Path(from, to)} }

// street is a way over the nodes of a network.
type street struct {
	network *roads.Network
	nodes   []geo.Spot
}

// Turn implements Way.
func (s street) Turn(driven time.Duration) (geo.Spot, time.Duration) {
	last := len(s.nodes) - 1
	after := func(i int) time.Duration { return s.network.Leg(s.nodes[0], s.nodes[i]).Duration }
	i := sort.Search(last, func(i int) bool { return after(i) >= driven })
	return s.nodes[i], after(i)
}
