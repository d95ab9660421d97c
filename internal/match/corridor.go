package match

import (
	"math"

	"github.com/golang/geo/r3"
	"github.com/golang/geo/s1"
	"github.com/golang/geo/s2"

	"github.com/spotpool/spotpool/internal/geo"
)

// margin widens a corridor a little against rounding.
const margin = 1.01

// A leg's corridor is built from points along it, in at most so many steps and
// none shorter than a metre, here in radians.
const (
	stepsPerLeg = 32
	minStep     = 1 / geo.EarthRadius
)

// corridor returns points along the route, where travel gets no faster than speed
// (m/s) along the great circle, and a radius in metres such that
// every place that can be visited within the route's slack is within the radius
// of a point. There are none when the slack is used up.
//
// A stop at p on the way from a to b adds no more than the slack only where the
// distances a–p and p–b sum to at most speed × (leg + slack): an ellipse around
// a and b, nowhere farther from the line between them than half its short axis.
func (r *route) corridor(speed float64) (points []geo.Point, radius float64) {
	slack := r.slack()
	if slack < 0 {
		return nil, 0
	}
	if r.path.End == nil { // the vehicle may go on to anywhere
		return []geo.Point{r.path.Start.Point}, math.Pi * geo.EarthRadius
	}
	for k := range r.last() {
		leg := r.visits[k].leg
		a, b := latLng(r.visits[k].Point), latLng(r.visits[k+1].Point)
		apart := float64(a.Distance(b)) // radians, as are the lengths below
		sum := speed * (leg + slack).Seconds() / geo.EarthRadius
		width := halfWidth(apart, sum)
		steps := 1
		if step := max(width, apart/stepsPerLeg, minStep); apart > step {
			steps = int(math.Ceil(apart / step))
		}
		from, to := s2.PointFromLatLng(a), s2.PointFromLatLng(b)
		for i := range steps + 1 {
			p := s2.LatLngFromPoint(s2.Interpolate(float64(i)/float64(steps), from, to))
			points = append(points, geo.Point{Lat: p.Lat.Degrees(), Lng: p.Lng.Degrees()})
		}
		radius = max(radius, math.Hypot(width, apart/float64(2*steps)))
	}
	return points, radius*geo.EarthRadius*margin + 1
}

// halfWidth returns half the short axis of the spherical ellipse whose foci are
// apart and whose distances to the foci sum to sum, all in radians: the third
// side of the right triangle with hypotenuse sum/2 and side apart/2.
func halfWidth(apart, sum float64) float64 {
	if sum >= math.Pi {
		return math.Pi
	}
	return math.Acos(min(1, math.Cos(sum/2)/math.Cos(apart/2)))
}

func latLng(p geo.Point) s2.LatLng {
	return s2.LatLng{Lat: s1.Angle(p.Lat) * s1.Degree, Lng: s1.Angle(p.Lng) * s1.Degree}
}

func vector(p geo.Point) r3.Vector { return s2.PointFromLatLng(latLng(p)).Vector }
