package geo

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestAround(t *testing.T) {
	shanghai, beijing := Point{Lat: 31.23, Lng: 121.47}, Point{Lat: 39.9, Lng: 116.4}
	for name, c := range map[string]struct {
		box  Box
		in   []Point
		outs []Point
	}{
		"nothing":      {Around(1000), nil, []Point{{}, shanghai}},
		"one point":    {Around(0, shanghai), []Point{shanghai}, []Point{beijing, {Lat: 31.24, Lng: 121.47}}},
		"two points":   {Around(1000, shanghai, beijing), []Point{shanghai, beijing, {Lat: 35, Lng: 119}}, []Point{{Lat: 31.2, Lng: 121.47}}},
		"antimeridian": {Around(50_000, Point{Lat: 0, Lng: 179.9}), []Point{{Lat: 0, Lng: -179.9}}, []Point{{Lat: 1, Lng: 179.9}}},
		"pole":         {Around(50_000, Point{Lat: 89.9, Lng: 0}), []Point{{Lat: 89.9, Lng: 180}}, []Point{{Lat: 89, Lng: 0}}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, p := range c.in {
				if !c.box.Contains(p) {
					t.Errorf("%v should hold %v", c.box, p)
				}
			}
			for _, p := range c.outs {
				if c.box.Contains(p) {
					t.Errorf("%v should not hold %v", c.box, p)
				}
			}
		})
	}
}

// Every point of a circle lies in the circle's box.
func TestAroundHoldsTheCircle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		centre := Point{Lat: rapid.Float64Range(-90, 90).Draw(t, "lat"), Lng: rapid.Float64Range(-180, 180).Draw(t, "lng")}
		metres := rapid.Float64Range(1000, 500_000).Draw(t, "metres")
		box := Around(metres, centre)
		for degree := range 360 {
			p := destination(centre, metres*0.999, float64(degree)*math.Pi/180)
			if !box.Contains(p) {
				t.Fatalf("%v does not hold %v, %.0f m away", box, p, Distance(centre, p))
			}
		}
	})
}

// destination is the point that lies at a distance and bearing from p.
func destination(p Point, metres, bearing float64) Point {
	const rad = math.Pi / 180
	r, lat, lng := metres/EarthRadius, p.Lat*rad, p.Lng*rad
	lat2 := math.Asin(math.Sin(lat)*math.Cos(r) + math.Cos(lat)*math.Sin(r)*math.Cos(bearing))
	lng2 := lng + math.Atan2(math.Sin(bearing)*math.Sin(r)*math.Cos(lat), math.Cos(r)-math.Sin(lat)*math.Sin(lat2))
	return Point{Lat: lat2 / rad, Lng: math.Mod(lng2/rad+540, 360) - 180}
}
