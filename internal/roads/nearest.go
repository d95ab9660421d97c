package roads

import (
	"cmp"
	"math"
	"slices"

	"github.com/spotpool/spotpool/internal/geo"
)

// vector is a point of the unit sphere: the straight line between two of them grows
// with the great circle, at the poles and at the antimeridian too.
type vector [3]float64

func vectorOf(p geo.Point) vector {
	const rad = math.Pi / 180
	sinLat, cosLat := math.Sincos(p.Lat * rad)
	sinLng, cosLng := math.Sincos(p.Lng * rad)
	return vector{cosLat * cosLng, cosLat * sinLng, sinLat}
}

// apart is the square of the straight line between two points.
func (v vector) apart(u vector) float64 {
	x, y, z := v[0]-u[0], v[1]-u[1], v[2]-u[2]
	return x*x + y*y + z*z
}

// site is a node where it lies.
type site struct {
	at   vector
	node int32
}

// sites is a k-d tree (Bentley, CACM 18(9), 1975): the middle site parts the others
// along one axis, the next axis in turn at each level.
type sites []site

// newSites arranges the sites.
func newSites(all []site) sites {
	arrange(all, 0)
	return all
}

func arrange(all sites, axis int) {
	if len(all) < 2 {
		return
	}
	slices.SortFunc(all, func(a, b site) int {
		return cmp.Or(cmp.Compare(a.at[axis], b.at[axis]), cmp.Compare(a.node, b.node))
	})
	mid := len(all) / 2
	arrange(all[:mid], (axis+1)%3)
	arrange(all[mid+1:], (axis+1)%3)
}

// nearest returns the site closest to p, the one of the least node if several are.
func (s sites) nearest(p geo.Point) int32 {
	n := nearest{to: vectorOf(p), apart: math.Inf(1)}
	n.search(s, 0)
	return n.node
}

// nearest is the closest site found so far.
type nearest struct {
	to    vector
	apart float64
	node  int32
}

func (n *nearest) search(s sites, axis int) {
	if len(s) == 0 {
		return
	}
	mid := len(s) / 2
	if d := n.to.apart(s[mid].at); d < n.apart || d == n.apart && s[mid].node < n.node {
		n.apart, n.node = d, s[mid].node
	}
	near, other := s[:mid], s[mid+1:]
	gap := n.to[axis] - s[mid].at[axis]
	if gap > 0 {
		near, other = other, near
	}
	n.search(near, (axis+1)%3)
	if gap*gap <= n.apart {
		n.search(other, (axis+1)%3)
	}
}
