package roads

import (
	"time"

	"github.com/spotpool/spotpool/internal/geo"
)

// Network is a road network in memory that knows the exact best way between any two
// of its nodes. It does not change and is safe for concurrent use.
type Network struct {
	points  []geo.Point
	sites   sites
	router  router
	pace    float64
	outside int
}

// newNetwork finishes a network whose roads the router knows: inside are the nodes of
// its largest component, pace is that of the fastest road.
func newNetwork(points []geo.Point, inside []bool, r router, pace float64) *Network {
	n := &Network{points: points, router: r, pace: pace}
	var in []site
	for v, p := range points {
		if inside[v] {
			in = append(in, site{vectorOf(p), int32(v)})
		}
	}
	n.sites, n.outside = newSites(in), len(points)-len(in)
	return n
}

// Locate returns the node nearest to p along the great circle, of those from which
// all others of the largest component can be reached and that can be reached from
// them: a rider is not sent to a road that leads nowhere.
func (n *Network) Locate(p geo.Point) geo.Spot { return n.Node(int(n.sites.nearest(p))) }

// Leg returns the fastest way from one node to another, geo.Unreachable if there is
// none. Of several that take as long it is the shortest.
func (n *Network) Leg(from, to geo.Spot) geo.Leg { return n.router.leg(from.Node, to.Node) }

// Pace implements geo.Travel: no way is faster along the great circle than its
// fastest road is.
func (n *Network) Pace() float64 { return n.pace }

// Nodes returns how many nodes there are; they are numbered from 0.
func (n *Network) Nodes() int { return len(n.points) }

// Outside returns how many nodes do not belong to the largest component: some ways
// from or to them do not exist, and Locate does not return them.
func (n *Network) Outside() int { return n.outside }

// Node returns the spot of a node. It panics unless 0 <= i < Nodes().
func (n *Network) Node(i int) geo.Spot { return geo.Spot{Point: n.points[i], Node: int32(i)} }

// Path returns the nodes of a fastest way, both ends included: a vehicle under way can
// turn at each. It is nil if there is no way. Of several fastest ways it is always the
// same one, and the legs between its nodes add up to the leg from end to end.
func (n *Network) Path(from, to geo.Spot) []geo.Spot {
	way := n.router.path(from.Node, to.Node)
	if way == nil {
		return nil
	}
	spots := make([]geo.Spot, len(way))
	for i, v := range way {
		spots[i] = n.Node(int(v))
	}
	return spots
}

// rounding is more than floating point can get wrong in a pace.
const rounding = 1 + 1e-9

// paceOf returns the most metres a second along the great circle that an arc gets.
func paceOf[W weight](points []geo.Point, arcs []arc[W], drive func(W) time.Duration) float64 {
	pace := 0.0
	for _, a := range arcs {
		if a.from != a.to {
			pace = max(pace, geo.Distance(points[a.from], points[a.to])/drive(a.w).Seconds())
		}
	}
	return pace * rounding
}
