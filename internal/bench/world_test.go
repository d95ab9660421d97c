package bench

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/spotpool/spotpool/internal/geo"
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

// Spot puts the places so close together that no straight line is longer than its road.
func (m *town) Spot(node int32) geo.Spot {
	return geo.Spot{Point: geo.Point{Lat: float64(node) * 1e-6, Lng: 10}, Node: node}
}
func (m *town) Locate(p geo.Point) geo.Spot { return m.Spot(int32(p.Lat*1e6 + 0.5)) }
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
		for next := range int32(m.Nodes()) {
			if next != at.Node && m.metres[at.Node][next]+m.dist[next][r.to.Node] == m.dist[at.Node][r.to.Node] {
				gone += m.metres[at.Node][next]
				at = m.Spot(next)
				break
			}
		}
	}
	return at, time.Duration(gone) * time.Second / speed
}

// verdict is what the judge finds in a log.
type verdict struct {
	served, driven int
	wait, detour   float64
	broken         []string
}

// judge replays a decision log as checkmatch does: it believes the log nothing.
func judge(m *town, in Instance, log []byte) (v verdict) {
	fail := func(format string, args ...any) { v.broken = append(v.broken, fmt.Sprintf(format, args...)) }
	orders, cars := map[int]Order{}, map[int]Vehicle{}
	for _, o := range in.Orders {
		orders[o.ID] = o
	}
	for _, c := range in.Vehicles {
		cars[c.ID] = c
	}
	reader := csv.NewReader(bytes.NewReader(log))
	rows, err := reader.ReadAll()
	if err != nil || len(rows) == 0 {
		fail("unreadable: %v", err)
		return v
	}
	number := func(text string) float64 {
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			fail("not a number: %q", text)
		}
		return f
	}
	byCar := map[int][][]string{}
	for _, r := range rows[1:] {
		id := int(number(r[0]))
		byCar[id] = append(byCar[id], r)
	}
	first, picked, dropped := map[int]float64{}, map[int]float64{}, map[int]float64{}
	const slack = 0.01
	for _, id := range slices.Sorted(maps.Keys(byCar)) {
		at, now := cars[id].At.Node, cars[id].Start.Sub(Epoch).Seconds()
		held, aboard := map[int]bool{}, map[int]int{}
		for _, r := range byCar[id] {
			t, node := number(r[1]), int32(number(r[2]))
			d := m.dist[at][node]
			if t+slack < now+float64(d)/speed {
				fail("%v: %d m since %.1f s", r, d, now)
			}
			v.driven += d
			at, now = node, t
			if r[3] == "move" {
				continue
			}
			order := int(number(r[4]))
			o, known := orders[order]
			early, late := o.Early.Sub(Epoch).Seconds(), o.Late.Sub(Epoch).Seconds()
			if !known {
				fail("%v: unknown order", r)
			}
			switch r[3] {
			case "assign":
				made := number(r[5])
				if made < early || t-made > 60 || held[order] {
					fail("%v: assigned at %.1f, known from %.1f", r, made, early)
				}
				held[order] = true
				if f, ok := first[order]; !ok || made < f {
					first[order] = made
				}
			case "unassign":
				if _, in := aboard[order]; !held[order] || in {
					fail("%v: not held, or aboard", r)
				}
				delete(held, order)
			case "pickup":
				if _, twice := picked[order]; !held[order] || node != o.From.Node || t+slack < early || twice {
					fail("%v: picked up wrongly", r)
				}
				picked[order], aboard[order] = t, o.Seats
				load := 0
				for _, seats := range aboard {
					load += seats
				}
				if load > cars[id].Seats {
					fail("%v: %d seats taken of %d", r, load, cars[id].Seats)
				}
			case "dropoff":
				if _, in := aboard[order]; !in || node != o.To.Node || t > late+slack {
					fail("%v: dropped off wrongly", r)
				}
				dropped[order] = t
				delete(aboard, order)
				delete(held, order)
			default:
				fail("%v: unknown event", r)
			}
		}
		if len(aboard)+len(held) > 0 {
			fail("vehicle %d ends with %v held and %v aboard", id, held, aboard)
		}
	}
	for id, o := range orders {
		t, ok := dropped[id]
		if _, promised := first[id]; promised && !ok {
			fail("order %d was assigned and then dropped", id)
		}
		if !ok {
			continue
		}
		v.served++
		v.wait += picked[id] - o.Early.Sub(Epoch).Seconds()
		v.detour += t - picked[id] - m.Leg(o.From, o.To).Duration.Seconds()
		if late := first[id] - o.Early.Sub(Epoch).Seconds(); late > 60+slack {
			fail("order %d was assigned after %.1f s", id, late)
		}
	}
	return v
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
	node := func(name string) geo.Spot { return m.Spot(int32(rapid.IntRange(0, m.Nodes()-1).Draw(t, name))) }
	tenths := func(low, high int, name string) time.Duration {
		return time.Duration(rapid.IntRange(low, high).Draw(t, name)) * time.Second / 10
	}
	for id := range rapid.IntRange(1, 6).Draw(t, "vehicles") {
		v := Vehicle{ID: id + 1, At: node("at"), Seats: rapid.IntRange(1, 4).Draw(t, "seats"), Start: Epoch}
		if own && rapid.Bool().Draw(t, "own destination") {
			dest := node("destination")
			v.Start = Epoch.Add(tenths(0, 1500, "leaves"))
			v.Dest, v.End = &dest, v.Start.Add(m.Leg(v.At, dest).Duration*2+tenths(0, 3000, "accepts"))
		}
		in.Vehicles = append(in.Vehicles, v)
	}
	for id := range rapid.IntRange(1, 25).Draw(t, "orders") {
		o := Order{ID: 100 + id, From: node("from"), To: node("to"), Seats: rapid.IntRange(1, 2).Draw(t, "party")}
		o.Early = Epoch.Add(tenths(0, 3000, "early"))
		o.Late = o.Early.Add(m.Leg(o.From, o.To).Duration + tenths(0, 3000, "patience"))
		in.Orders = append(in.Orders, o)
	}
	slices.SortStableFunc(in.Orders, func(a, b Order) int { return cmp.Compare(a.Early.UnixNano(), b.Early.UnixNano()) })
	return in
}

// feasible drives a plan on paper and reports whether it keeps every promise.
func feasible(w *world, c *car, from geo.Spot, at time.Time, plan []stop) bool {
	load := 0
	for _, s := range plan {
		if !s.pickup && !s.order.picked.IsZero() {
			load += s.order.Seats
		}
	}
	for _, s := range plan {
		at = at.Add(w.ground.Leg(from, s.spot()).Duration)
		from = s.spot()
		switch {
		case s.pickup:
			load += s.order.Seats
			if at.Before(s.order.Early) {
				at = s.order.Early
			}
		default:
			load -= s.order.Seats
			if at.After(s.order.Late) {
				return false
			}
		}
		if load > c.Seats {
			return false
		}
	}
	if c.Dest != nil {
		at = at.Add(w.ground.Leg(from, *c.Dest).Duration)
	}
	return c.End.IsZero() || !at.After(c.End)
}

// anyPlan returns some feasible plan of the car with the order put in, at places that rapid draws.
func anyPlan(t *rapid.T, w *world, c *car, now time.Time, base []stop, r *ride) ([]stop, bool) {
	spot, at := w.turn(c, now)
	var found [][]stop
	for i := range len(base) + 1 {
		with := slices.Insert(slices.Clone(base), i, stop{r, true})
		for j := i + 1; j <= len(with); j++ {
			plan := slices.Insert(slices.Clone(with), j, stop{r, false})
			if feasible(w, c, spot, at, plan) {
				found = append(found, plan)
			}
		}
	}
	if len(found) == 0 {
		return nil, false
	}
	return found[rapid.IntRange(0, len(found)-1).Draw(t, "insertion")], true
}

// without returns the plan without the order.
func without(plan []stop, r *ride) []stop {
	return slices.DeleteFunc(slices.Clone(plan), func(s stop) bool { return s.order == r })
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
		stops := 0
		for _, r := range w.rides {
			now := r.Early.Add(time.Duration(rapid.IntRange(0, 60).Draw(t, "decided after")) * time.Second)
			w.advance(now, func(*car) { stops++ })
			changes := arrange(t, w, now, r)
			if err := w.apply(now, changes); err != nil {
				t.Fatal(err)
			}
		}
		w.advance(Epoch.Add(24*time.Hour), func(*car) { stops++ })
		if err := w.log.close(); err != nil {
			t.Fatal(err)
		}
		v := judge(m, in, log.Bytes())
		if len(v.broken) > 0 {
			t.Fatalf("%v\n%s", v.broken, &log)
		}
		served := 0
		for _, r := range w.rides {
			if !r.dropped.IsZero() {
				served++
			}
		}
		// The log ends with the last stop; the way to a destination follows.
		if driven := int(w.driven + 0.5); served != v.served || driven < v.driven || !own && driven > v.driven {
			t.Fatalf("the world served %d and drove %g m, the judge found %d and %d", served, w.driven, v.served, v.driven)
		}
	})
}

// arrange assigns the order somewhere, or moves one that waits for its pickup to another car.
func arrange(t *rapid.T, w *world, now time.Time, r *ride) (changes []change) {
	free := func(c *car) bool { return !c.ended && !now.Before(c.Start) }
	var movable []*ride
	for _, other := range w.rides {
		if other.car != nil && other.picked.IsZero() {
			movable = append(movable, other)
		}
	}
	if len(movable) > 0 && rapid.Bool().Draw(t, "move one") {
		r = rapid.SampledFrom(movable).Draw(t, "moved")
	} else if r.car != nil || now.Before(r.Early) {
		return nil
	}
	to := rapid.SampledFrom(w.cars).Draw(t, "car")
	if !free(to) {
		return nil
	}
	plan, ok := anyPlan(t, w, to, now, without(to.plan, r), r)
	if !ok {
		return nil
	}
	if from := r.car; from != nil && from != to {
		changes = append(changes, change{from, without(from.plan, r)})
	}
	return append(changes, change{to, plan})
}
