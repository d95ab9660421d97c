package bench

import (
	"time"

	"github.com/spotpool/spotpool/internal/geo"
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

// Open is ground without roads: vehicles drive straight on and turn anywhere, at whole seconds.
type Open struct{ geo.Straight }

// Way implements Ground.
func (o Open) Way(from, to geo.Spot) Way { return line{from, to, o.Leg(from, to).Duration} }

// line is a straight way.
type line struct {
	from, to geo.Spot
	takes    time.Duration
}

// Turn implements Way. Over the few kilometres that a vehicle drives, a line of
// latitudes and longitudes is the great circle to within a metre.
func (l line) Turn(driven time.Duration) (geo.Spot, time.Duration) {
	at := (driven + time.Second - 1).Truncate(time.Second)
	if at >= l.takes {
		return l.to, l.takes
	}
	share := float64(at) / float64(l.takes)
	return geo.Spot{Point: geo.Point{
		Lat: l.from.Lat + share*(l.to.Lat-l.from.Lat),
		Lng: l.from.Lng + share*(l.to.Lng-l.from.Lng),
	}}, at
}
