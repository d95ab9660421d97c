package geo

import "math"

// Box is a rectangle of latitudes and longitudes in degrees, edges included.
// It never crosses the antimeridian: where it would, it spans all longitudes.
type Box struct {
	MinLat, MinLng, MaxLat, MaxLng float64
}

// Globe returns the box that holds every point.
func Globe() Box { return Box{MinLat: -90, MinLng: -180, MaxLat: 90, MaxLng: 180} }

// Contains reports whether p lies in the box.
func (b Box) Contains(p Point) bool {
	return p.Lat >= b.MinLat && p.Lat <= b.MaxLat && p.Lng >= b.MinLng && p.Lng <= b.MaxLng
}

// Around returns a box that holds every point within the given metres of one of
// the points. Without points it is a box that holds nothing.
func Around(metres float64, points ...Point) Box {
	b := Box{MinLat: 90, MinLng: 180, MaxLat: -90, MaxLng: -180}
	for _, p := range points {
		c := circleBox(metres, p)
		b.MinLat, b.MaxLat = min(b.MinLat, c.MinLat), max(b.MaxLat, c.MaxLat)
		b.MinLng, b.MaxLng = min(b.MinLng, c.MinLng), max(b.MaxLng, c.MaxLng)
	}
	return b
}

// circleBox returns the box around one circle. A circle of angular radius r at
// latitude φ reaches asin(sin r ÷ cos φ) to the east and west, unless it holds a pole.
func circleBox(metres float64, p Point) Box {
	const deg = 180 / math.Pi
	r := metres / EarthRadius
	b := Box{MinLat: p.Lat - r*deg, MinLng: -180, MaxLat: p.Lat + r*deg, MaxLng: 180}
	if b.MinLat <= -90 || b.MaxLat >= 90 {
		b.MinLat, b.MaxLat = max(b.MinLat, -90), min(b.MaxLat, 90)
		return b
	}
	d := math.Asin(math.Sin(r)/math.Cos(p.Lat/deg)) * deg
	if west, east := p.Lng-d, p.Lng+d; west >= -180 && east <= 180 {
		b.MinLng, b.MaxLng = west, east
	}
	return b
}
