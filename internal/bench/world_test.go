package bench

import (
	"bytes"
	"cmp"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/spotpool/spotpool/internal/geo"
	"github.com/spotpool/spotpool/internal/match"
	"github.com/spotpool/spotpool/internal/trip"
)

// town is a small road network with all distances worked out by Floyd and Warshall.
type town struct {
	metres [][]int // of the roads; far where there is none
	dist   [][]int
}

const (
	far   = 1 << 40
	speed = 10 // metres a second
)

// newTown returns a town of n places with the given roads {from, to, metres}, open both ways.
func newTown(n int, roads [][3]int) *town {
	m := &town{}
	for i := range n {
		m.metres = append(m.metres, slices.Repeat([]int{far}, n))
		m.metres[i][i] = 0
	}
	for _, r := range roads {
		m.metres[r[0]][r[1]] = min(m.metres[r[0]][r[1]], r[2])
		m.metres[r[1]][r[0]] = min(m.metres[r[1]][r[0]], r[2])
	}
	for _, row := range m.metres {
		m.dist = append(m.dist, slices.Clone(row))
	}
	for k := range n {
		for i := range n {
			for j := range n {
				m.dist[i][j] = min(m.dist[i][j], m.dist[i][k]+m.dist[k][j])
			}
		}
	}
	return m
}

func (m *town) Nodes() int { return len(m.dist) }

// Node puts the places so close together that no straight line is longer than its road.
func (m *town) Node(i int) geo.Spot {
	return geo.Spot{Point: geo.Point{Lat: float64(i) * 1e-6, Lng: 10}, Node: int32(i)}
}
func (m *town) Locate(p geo.Point) geo.Spot { return m.Node(int(p.Lat*1e6 + 0.5)) }
func (m *town) Pace() float64               { return speed }

func (m *town) Leg(from, to geo.Spot) geo.Leg {
	d := m.dist[from.Node][to.Node]
	return geo.Leg{Metres: float64(d), Duration: time.Duration(d) * time.Second / speed}
}

func (m *town) Way(from, to geo.Spot) Way { return route{m, from, to} }

// route is a way through the town.
type route struct {
	town     *town
	from, to geo.Spot
}

func (r route) Turn(driven time.Duration) (geo.Spot, time.Duration) {
	m, at, gone := r.town, r.from, 0
	for at.Node != r.to.Node && time.Duration(gone)*time.Second/speed < driven {
		for next := range m.Nodes() {
			if next != int(at.Node) && m.metres[at.Node][next]+m.dist[next][r.to.Node] == m.dist[at.Node][r.to.Node] {
				gone += m.metres[at.Node][next]
				at = m.Node(next)
				break
			}
		}
	}
	return at, time.Duration(gone) * time.Second / speed
}

// drawTown draws a connected town: a random tree and some roads more.
func drawTown(t *rapid.T) *town {
	n := rapid.IntRange(2, 25).Draw(t, "places")
	var roads [][3]int
	add := func(a, b int) {
		if a != b {
			roads = append(roads, [3]int{a, b, rapid.IntRange(1, 400).Draw(t, "metres")})
		}
	}
	for i := 1; i < n; i++ {
		add(i, rapid.IntRange(0, i-1).Draw(t, "beside"))
	}
	for range rapid.IntRange(0, n).Draw(t, "more roads") {
		add(rapid.IntRange(0, n-1).Draw(t, "a"), rapid.IntRange(0, n-1).Draw(t, "b"))
	}
	return newTown(n, roads)
}

// drawInstance draws vehicles, some with a destination if own, and orders in the town.
func drawInstance(t *rapid.T, m *town, own bool) (in Instance) {
	node := func(name string) geo.Spot { return m.Node(rapid.IntRange(0, m.Nodes()-1).Draw(t, name)) }
	tenths := func(low, high int, name string) time.Duration {
		return time.Duration(rapid.IntRange(low, high).Draw(t, name)) * time.Second / 10
	}
	for id := range rapid.IntRange(1, 6).Draw(t, "vehicles") {
		v := Vehicle{ID: id + 1, At: node("at"), Seats: rapid.IntRange(1, 4).Draw(t, "seats"), End: match.NoLimit}
		if own && rapid.Bool().Draw(t, "own destination") {
			dest := node("destination")
			v.Start = tenths(0, 1500, "leaves")
			v.Dest, v.End = &dest, v.Start+m.Leg(v.At, dest).Duration*2+tenths(0, 3000, "accepts")
		}
		in.Vehicles = append(in.Vehicles, v)
	}
	for id := range rapid.IntRange(1, 25).Draw(t, "orders") {
		o := Order{ID: 100 + id, From: node("from"), To: node("to"), Seats: rapid.IntRange(1, 2).Draw(t, "party")}
		o.Known = tenths(0, 3000, "known")
		o.Until = o.Known + decideWithin
		o.Early = o.Known + tenths(0, 600, "ahead")
		o.Late = o.Early + m.Leg(o.From, o.To).Duration + tenths(0, 3000, "patience")
		in.Orders = append(in.Orders, o)
	}
	slices.SortStableFunc(in.Orders, func(a, b Order) int { return cmp.Compare(a.Known, b.Known) })
	return in
}

// feasible drives a path on paper and reports whether it keeps every promise.
func feasible(m geo.Travel, p match.Path) bool {
	load, here, at := 0, p.Start, p.StartAt
	for _, id := range ordersOf(p.Stops) {
		aboard := !slices.ContainsFunc(p.Stops, func(s match.Stop) bool { return s.Order == id && s.Kind == trip.Pickup })
		if aboard {
			load += p.Stops[slices.IndexFunc(p.Stops, func(s match.Stop) bool { return s.Order == id })].Seats
		}
	}
	for _, s := range p.Stops {
		at = max(at+m.Leg(here, s.Spot).Duration, s.Earliest)
		here = s.Spot
		if load += s.Seats; s.Kind == trip.Dropoff {
			load -= 2 * s.Seats
		}
		if load > p.Seats || s.Kind == trip.Dropoff && at > s.Latest {
			return false
		}
	}
	if p.End != nil {
		at += m.Leg(here, *p.End).Duration
	}
	return at <= p.EndBy
}

// anyPlan puts the ride into the path at places that rapid draws.
func anyPlan(t *rapid.T, m geo.Travel, p match.Path, r *ride, id uuid.UUID) (match.Path, bool) {
	var found []match.Path
	pickup := match.Stop{Order: id, Kind: trip.Pickup, Spot: r.From, Seats: r.Seats, Earliest: r.Early}
	dropoff := match.Stop{Order: id, Kind: trip.Dropoff, Spot: r.To, Seats: r.Seats, Latest: r.Late}
	base := p.Stops
	for i := range len(base) + 1 {
		with := slices.Insert(slices.Clone(base), i, pickup)
		for j := i + 1; j <= len(with); j++ {
			if p.Stops = slices.Insert(slices.Clone(with), j, dropoff); feasible(m, p) {
				found = append(found, p)
			}
		}
	}
	if len(found) == 0 {
		return p, false
	}
	return rapid.SampledFrom(found).Draw(t, "plan"), true
}

// without returns the path without the order.
func without(p match.Path, id uuid.UUID) match.Path {
	p.Stops = slices.DeleteFunc(slices.Clone(p.Stops), func(s match.Stop) bool { return s.Order == id })
	return p
}

// Whatever a policy decides, the log of what the world did breaks no rule, and
// the world counts what the judge counts.
func TestWorldKeepsTheRules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := drawTown(t)
		own := rapid.Bool().Draw(t, "own destinations")
		in := drawInstance(t, m, own)
		var log bytes.Buffer
		w := newWorld(m, in, newDecisionLog(&log))
		now := time.Duration(0)
		for i, r := range w.rides {
			now = max(now, r.Known+time.Duration(rapid.IntRange(0, 60).Draw(t, "decided after"))*time.Second)
			w.advance(now, func(*car) {})
			if i := slices.IndexFunc(w.cars, func(c *car) bool { return c.due != idle && c.due <= now }); i >= 0 {
				t.Fatalf("at %v vehicle %d has not stopped, due at %v", now, w.cars[i].ID, w.cars[i].due)
			}
			plans := arrange(t, w, now, i)
			if err := w.apply(now, plans); err != nil {
				t.Fatal(err)
			}
		}
		w.advance(24*time.Hour, func(*car) {})
		if err := w.log.close(); err != nil {
			t.Fatal(err)
		}
		v := judge(m, in, log.Bytes())
		if len(v.broken) > 0 {
			t.Fatalf("%v\n%s", v.broken, &log)
		}
		served := 0
		for _, r := range w.rides {
			if r.served {
				served++
			}
		}
		// The log ends with the last stop; the way to a destination follows.
		if driven := int(w.driven + 0.5); served != v.served || driven < v.driven || !own && driven > v.driven {
			t.Fatalf("the world served %d and drove %g m, the judge found %d and %d", served, w.driven, v.served, v.driven)
		}
	})
}

// arrange assigns the i-th order somewhere, or moves one that waits for its pickup
// to another car.
func arrange(t *rapid.T, w *world, now time.Duration, i int) (plans []match.Path) {
	var movable []int
	for k, other := range w.rides {
		if other.car != nil && !other.aboard && !other.served {
			movable = append(movable, k)
		}
	}
	if len(movable) > 0 && rapid.Bool().Draw(t, "move one") {
		i = rapid.SampledFrom(movable).Draw(t, "moved")
	} else if w.rides[i].car != nil || now > w.rides[i].Known+time.Minute {
		return nil
	}
	r, id, to := w.rides[i], idOf(i), rapid.SampledFrom(w.cars).Draw(t, "car")
	if to.ended || now < to.Known {
		return nil
	}
	plan, ok := anyPlan(t, w.ground, without(w.snapshot(to, now), id), r, id)
	if !ok {
		return nil
	}
	late := plan
	late.StartAt += time.Duration(rapid.IntRange(0, 30).Draw(t, "waits")) * time.Second
	if plan.LeaveAt = 0; feasible(w.ground, late) {
		plan.LeaveAt = late.StartAt
	}
	if from := r.car; from != nil && from != to {
		plans = append(plans, without(w.snapshot(from, now), id))
	}
	return append(plans, plan)
}

// A policy that forgets an order that was promised a seat is found out.
func TestDroppedOrders(t *testing.T) {
	m := newTown(2, [][3]int{{0, 1, 100}})
	in := Instance{
		Vehicles: []Vehicle{{ID: 7, At: m.Node(0), Seats: 1, End: match.NoLimit}},
		Orders:   []Order{{ID: 5, From: m.Node(0), To: m.Node(1), Seats: 1, Late: time.Minute}},
	}
	for aboard, says := range map[bool]string{false: "bench: order 5 was dropped at 0 s", true: "bench: order 5 was dropped at 5 s"} {
		w := newWorld(m, in, nil)
		p := w.snapshot(w.cars[0], 0)
		p.Stops = []match.Stop{
			{Order: idOf(0), Kind: trip.Pickup, Spot: m.Node(0), Seats: 1},
			{Order: idOf(0), Kind: trip.Dropoff, Spot: m.Node(1), Seats: 1, Latest: time.Minute},
		}
		if err := w.apply(0, []match.Path{p}); err != nil {
			t.Fatal(err)
		}
		now := time.Duration(0)
		if aboard {
			now = 5 * time.Second
			w.advance(now, func(*car) {})
		}
		p.Stops = nil
		if err := w.apply(now, []match.Path{p}); err == nil || err.Error() != says {
			t.Errorf("%v, want %s", err, says)
		}
	}
}
