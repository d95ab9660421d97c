// Package geo holds points on the globe and the times between them.
package geo

import (
	"context"
	"math"
	"time"
)

// EarthRadius is the mean radius of the earth in metres (IUGG R1).
const EarthRadius = 6_371_008.8

// Point is a WGS-84 position in degrees.
type Point struct {
	Lat float64 `json:"lat"`
	Lng float64 `json:"lng"`
}

// Valid reports whether p lies on the globe.
func (p Point) Valid() bool {
	return p.Lat >= -90 && p.Lat <= 90 && p.Lng >= -180 && p.Lng <= 180
}

// Distance returns the great-circle distance from p to q in metres (haversine).
func Distance(p, q Point) float64 {
	const rad = math.Pi / 180
	lat1, lat2 := p.Lat*rad, q.Lat*rad
	sinLat := math.Sin((lat2 - lat1) / 2)
	sinLng := math.Sin((q.Lng - p.Lng) * rad / 2)
	h := sinLat*sinLat + math.Cos(lat1)*math.Cos(lat2)*sinLng*sinLng
	return 2 * EarthRadius * math.Asin(math.Min(1, math.Sqrt(h)))
}

// Leg is the way from one point to another.
type Leg struct {
	Metres   float64
	Duration time.Duration
}

// Unreachable is the leg where there is no way: longer than every leg that there is,
// and a thousand of its durations still add up without overflow.
var Unreachable = Leg{Metres: 1e12, Duration: 90 * 24 * time.Hour}

// Spot is a point as a Travel has located it, such as the node of a road network
// that is nearest to it. Only the Travel that made it knows what Node means.
type Spot struct {
	Point // where the vehicle stops: on the network, if there is one
	Node  int32
}

// Travel answers how far and how long it is between two spots. The ways obey the
// triangle inequality: none is shorter by way of a third spot. Implementations are
// safe for concurrent use and do no I/O.
type Travel interface {
	// Locate returns where a vehicle stops for somebody at p.
	Locate(p Point) Spot
	// Leg returns the way between two spots, Unreachable if there is none.
	Leg(from, to Spot) Leg
	// Pace is the fastest that any leg gets along the great circle, in metres a second.
	Pace() float64
}

// Fetcher is a Travel whose legs come from a server. Leg estimates those that were
// not fetched before.
type Fetcher interface {
	Travel
	// Prefetch fetches the legs from some points to others. After an error, some of
	// them are estimated.
	Prefetch(ctx context.Context, from, to []Point) error
}

// Between returns the leg from one point to another.
func Between(t Travel, from, to Point) Leg { return t.Leg(t.Locate(from), t.Locate(to)) }

// Straight estimates a leg as the great circle times Circuity, driven at Speed.
type Straight struct {
	Circuity float64 // road metres per straight metre
	Speed    float64 // metres a second
}

// DefaultTravel is the great circle × 1.3 at 10 m/s, a usual estimate for city roads.
var DefaultTravel = Straight{Circuity: 1.3, Speed: 10}

// Locate implements Travel: every point is a spot.
func (s Straight) Locate(p Point) Spot { return Spot{Point: p} }

// Pace implements Travel.
func (s Straight) Pace() float64 { return s.Speed / s.Circuity }

// Leg implements Travel. Durations are whole seconds, rounded up, so that a
// plan stored and read back keeps its times.
func (s Straight) Leg(from, to Spot) Leg {
	m := Distance(from.Point, to.Point) * s.Circuity
	return Leg{Metres: m, Duration: time.Duration(math.Ceil(m/s.Speed)) * time.Second}
}
