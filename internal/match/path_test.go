package match

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/spotpool/spotpool/internal/geo"
	"github.com/spotpool/spotpool/internal/trip"
)

// maze is a travel model over a few places with one-way streets: between some places
// there is no way.
type maze struct {
	spots []geo.Spot
	legs  [][]time.Duration
}

const mazePace = 20

func (m *maze) Locate(p geo.Point) geo.Spot { return geo.Spot{Point: p} }
func (m *maze) Pace() float64               { return mazePace }
func (m *maze) Leg(from, to geo.Spot) geo.Leg {
	d := m.legs[from.Node][to.Node]
	if d >= geo.Unreachable.Duration {
		return geo.Unreachable
	}
	return geo.Leg{Metres: d.Seconds() * mazePace, Duration: d}
}

// aMaze draws places and streets, and takes the shortest ways (Floyd and Warshall).
func aMaze(t *rapid.T) *maze {
	m := &maze{}
	n := rapid.IntRange(3, 8).Draw(t, "places")
	missing := rapid.SampledFrom([]int{0, 0, 40, 80}).Draw(t, "percent missing")
	for i := range n {
		at := func(what string) float64 { return rapid.Float64Range(0, 0.03).Draw(t, what) }
		m.spots = append(m.spots, geo.Spot{Point: geo.Point{Lat: at("lat"), Lng: at("lng")}, Node: int32(i)})
	}
	for i := range n {
		m.legs = append(m.legs, make([]time.Duration, n))
		for j := range n {
			straight := geo.Distance(m.spots[i].Point, m.spots[j].Point) / mazePace
			factor := rapid.SampledFrom([]float64{1, 1, 1.3, 2}).Draw(t, "crooked")
			m.legs[i][j] = time.Duration(math.Ceil(straight*factor*1000)) * time.Millisecond
			if i != j && rapid.IntRange(1, 100).Draw(t, "there") <= missing {
				m.legs[i][j] = geo.Unreachable.Duration
			}
		}
	}
	for k := range n {
		for i := range n {
			for j := range n {
				m.legs[i][j] = min(m.legs[i][j], m.legs[i][k]+m.legs[k][j])
			}
		}
	}
	return m
}

// driven is what comes of a path when it is driven from now on.
type driven struct {
	drive time.Duration
	wait  time.Duration // of the riders who are picked up
	at    []time.Duration
	ok    bool
}

// drivePath drives a path stop by stop.
func drivePath(p Path, travel geo.Travel, now time.Duration) (d driven) {
	at, here := max(p.StartAt, now), p.Start
	d.ok = p.MaxStops == 0 || len(p.Stops) <= p.MaxStops
	load := 0
	for i, s := range p.Stops {
		if s.Kind == trip.Dropoff && !slices.ContainsFunc(p.Stops[:i], func(u Stop) bool { return u.Order == s.Order }) {
			load += s.Seats
		}
	}
	step := func(to geo.Spot) {
		leg := travel.Leg(here, to).Duration
		d.ok = d.ok && leg < geo.Unreachable.Duration
		d.drive += leg
		at, here = at+leg, to
	}
	for _, s := range p.Stops {
		step(s.Spot)
		if s.Kind == trip.Pickup {
			at = max(at, s.Earliest)
			d.wait += at - s.Earliest
			load += s.Seats
		} else {
			d.ok = d.ok && at <= s.Latest
			load -= s.Seats
		}
		d.at = append(d.at, at)
		d.ok = d.ok && load <= p.Seats
	}
	if p.End != nil {
		step(*p.End)
		d.ok = d.ok && at <= p.EndBy
	}
	return d
}

// plus returns the path with the ride's stops before the i-th and the j-th stop.
func (p Path) plus(ride Ride, i, j int) Path {
	down := Stop{Order: ride.Order, Kind: trip.Dropoff, Spot: ride.To, Seats: ride.Seats, Latest: ride.Latest}
	up := Stop{Order: ride.Order, Kind: trip.Pickup, Spot: ride.From, Seats: ride.Seats, Earliest: ride.Earliest}
	p.Stops = slices.Insert(slices.Insert(slices.Clone(p.Stops), j, down), i, up)
	return p
}

// choice is an insertion as the brute force sees it.
type choice struct {
	path  Path
	cost  time.Duration
	at    time.Duration
	found bool
}

func (a choice) betterThan(b choice) bool {
	if !b.found || a.cost != b.cost {
		return !b.found || a.cost < b.cost
	}
	if a.at != b.at {
		return a.at < b.at
	}
	return compare(a.path.ID, b.path.ID) < 0
}

// tryAll drives every way to put the ride into one of the paths.
func tryAll(travel geo.Travel, paths []Path, ride Ride, now time.Duration, weight float64) (best choice) {
	for _, p := range paths {
		before := drivePath(p, travel, now)
		for i := p.Locked; i <= len(p.Stops); i++ {
			for j := i; j <= len(p.Stops); j++ {
				n := p.plus(ride, i, j)
				if d := drivePath(n, travel, now); d.ok {
					cost := d.drive - before.drive + time.Duration(weight*float64(d.wait-before.wait))
					c := choice{n, cost, d.at[j+1], true}
					if c.betterThan(best) {
						best = c
					}
				}
			}
		}
	}
	return best
}

func aRide(t *rapid.T, m *maze, now time.Duration, lateStart int) Ride {
	ride := Ride{
		Order: uuid.New(), From: rapid.SampledFrom(m.spots).Draw(t, "from"), To: rapid.SampledFrom(m.spots).Draw(t, "to"),
		Seats:    rapid.IntRange(1, 2).Draw(t, "seats"),
		Earliest: now + time.Duration(rapid.IntRange(-300, lateStart).Draw(t, "earliest"))*time.Second,
		Latest:   NoLimit, DecideBy: NoLimit,
	}
	if rapid.IntRange(0, 9).Draw(t, "limited") > 0 {
		ride.Latest = max(now, ride.Earliest) + min(m.Leg(ride.From, ride.To).Duration, time.Hour) +
			time.Duration(rapid.IntRange(0, 900).Draw(t, "patience"))*time.Second
	}
	return ride
}

// aPath draws a vehicle, with riders, that has made some of its stops.
func aPath(t *rapid.T, m *maze, now time.Duration, lateStart int) Path {
	p := Path{
		ID: uuid.New(), Seats: rapid.IntRange(1, 4).Draw(t, "capacity"), Start: rapid.SampledFrom(m.spots).Draw(t, "start"),
		StartAt: now + time.Duration(rapid.IntRange(-60, 120).Draw(t, "at"))*time.Second,
	}
	if rapid.Bool().Draw(t, "goes home") {
		end := rapid.SampledFrom(m.spots).Draw(t, "end")
		p.End, p.EndBy = &end, p.StartAt+min(m.Leg(p.Start, end).Duration, time.Hour)+time.Duration(rapid.IntRange(60, 1500).Draw(t, "detour"))*time.Second
	}
	for range rapid.IntRange(0, 5).Draw(t, "riders") {
		if c := tryAll(m, []Path{p}, aRide(t, m, now, lateStart), now, 0); c.found {
			p = c.path
		}
	}
	if d := drivePath(p, m, 0); len(p.Stops) > 0 {
		if made := rapid.IntRange(0, len(p.Stops)-1).Draw(t, "made"); made > 0 {
			p.Start, p.StartAt, p.Stops = p.Stops[made-1].Spot, d.at[made-1], p.Stops[made:]
		}
	}
	p.Locked = rapid.IntRange(0, len(p.Stops)).Draw(t, "locked") * rapid.IntRange(0, 1).Draw(t, "locks")
	p.MaxStops = rapid.SampledFrom([]int{0, 0, len(p.Stops) + 1, len(p.Stops) + 2}).Draw(t, "most stops")
	return p
}

// With vehicles on the road, riders aboard, waits, one-way streets and stops that
// are locked, with an end and without, the search finds what trying everything
// finds. With a weight on waiting it does as long as no wait takes up a delay.
func TestPathsAgreeWithBruteForce(t *testing.T) {
	for name, c := range map[string]struct {
		weight    float64
		lateStart int // seconds after now that a pickup may have to wait for
	}{"driving": {0, 900}, "waiting": {0.5, -60}} {
		t.Run(name, func(t *testing.T) {
			searched, matched, aboard := 0, 0, 0
			rapid.Check(t, func(t *rapid.T) {
				m, now := aMaze(t), time.Hour
				f := newFleet(m, c.weight)
				f.now = now
				var paths []Path
				for range rapid.IntRange(1, 4).Draw(t, "vehicles") {
					p := aPath(t, m, now, c.lateStart)
					paths = append(paths, p)
					f.set(newRoute(p, m))
					aboard += f.routes[p.ID].visits[0].load
				}
				ride := aRide(t, m, now, c.lateStart)
				want := tryAll(m, paths, ride, now, c.weight)
				found := f.find(ride, 1, NoLimit)
				searched++
				if (len(found) > 0) != want.found {
					t.Fatalf("found %+v\nwant  %+v", found, want)
				}
				if !want.found {
					return
				}
				matched++
				in := found[0]
				if in.route.path.ID != want.path.ID || (in.cost-want.cost).Abs() > time.Microsecond || in.arrival != want.at {
					t.Fatalf("found %s in vehicle %s, at %s\nwant  %s in vehicle %s, at %s",
						in.cost, in.route.path.ID, in.arrival, want.cost, want.path.ID, want.at)
				}
				checkChange(t, f, in, ride)
			})
			t.Logf("%d of %d rides matched, %d seats taken at the start", matched, searched, aboard)
			if matched < searched/10 || matched > searched*9/10 || aboard == 0 {
				t.Error("the generator is too easy or too hard to tell anything")
			}
		})
	}
}

// checkChange puts the ride into its route and takes it out again: times must be
// those of a route that is made anew, and in the end those from before.
func checkChange(t *rapid.T, f *fleet, in insertion, ride Ride) {
	with := in.route.with(in, ride, f.travel, f.now)
	d := drivePath(with.toPath(), f.travel, f.now)
	if !d.ok || d.drive-drivePath(in.route.toPath(), f.travel, f.now).drive != in.added {
		t.Fatalf("the changed path is %+v, adds %s", d, in.added)
	}
	if got := with.placement(ride.Order); got.DropoffAt != in.arrival {
		t.Fatalf("drops off at %s, said %s", got.DropoffAt, in.arrival)
	}
	for name, r := range map[string]*route{"with": with, "without": with.without(ride.Order, f.travel, f.now)} {
		if again := newRoute(r.toPath(), f.travel); !slices.Equal(r.visits, again.visits) {
			t.Fatalf("%s the ride: %+v\nanew: %+v", name, r.visits, again.visits)
		}
	}
	if r := with.without(ride.Order, f.travel, f.now); !r.sameStops(in.route) {
		t.Fatalf("other stops than before: %+v", r.visits)
	}
}

// Many legs in one index, near each other or in lanes between two parts of town, now
// or over some hours: the best are found, none of a route that was removed, and the index gets empty again.
func TestIndexFollowsRoutes(t *testing.T) {
	var lanes, hours int
	rapid.Check(t, func(t *rapid.T) {
		travel := geo.DefaultTravel
		f := newFleet(travel, 0)
		f.now = time.Hour
		near := rapid.SampledFrom([]float64{0, 0.0001, 0.03, 0.2, 50}).Draw(t, "degrees")
		apart := rapid.SampledFrom([]float64{0, 0.1}).Draw(t, "apart")
		latest := rapid.SampledFrom([]int{20, 600}).Draw(t, "minutes")
		point := func(what string, away float64) geo.Spot {
			return geo.Spot{Point: geo.Point{
				Lat: 31 + away + rapid.Float64Range(0, near).Draw(t, what), Lng: 121 + rapid.Float64Range(0, near).Draw(t, what),
			}}
		}
		ride := func() Ride {
			r := Ride{Order: uuid.New(), From: point("from", 0), To: point("to", apart), Seats: 1, Latest: NoLimit}
			if rapid.Bool().Draw(t, "hurries") {
				r.Earliest = time.Hour + time.Duration(rapid.IntRange(-10, latest/2).Draw(t, "earliest"))*time.Minute
				r.Latest = r.Earliest + travel.Leg(r.From, r.To).Duration + time.Duration(rapid.IntRange(0, 40).Draw(t, "patience"))*time.Minute
			}
			return r
		}
		ids := make([]uuid.UUID, rapid.IntRange(1, 3*fullCell).Draw(t, "vehicles"))
		for i := range ids {
			ids[i][0], ids[i][1] = byte(i>>8), byte(i)
			p := Path{ID: ids[i], Seats: 4, Start: point("start", 0), StartAt: time.Hour + time.Duration(rapid.IntRange(-1, latest).Draw(t, "leaves"))*time.Minute}
			if rapid.Bool().Draw(t, "goes home") {
				end := point("end", apart)
				p.End, p.EndBy = &end, NoLimit
				if rapid.Bool().Draw(t, "limited") {
					p.EndBy = p.StartAt + travel.Leg(p.Start, end).Duration + time.Duration(rapid.IntRange(0, 40).Draw(t, "detour"))*time.Minute
				}
			}
			f.set(newRoute(p, travel))
		}
		for _, id := range ids {
			switch rapid.IntRange(0, 3).Draw(t, "then") {
			case 0:
				f.drop(id)
			case 1:
				f.set(f.routes[id].from(point("moved", 0), time.Hour, travel))
			case 2:
				r := ride()
				if found := f.find(r, 1, NoLimit); len(found) > 0 {
					f.insert(r, found[0])
				}
			}
		}
		l, h := divided(f.index)
		lanes, hours = lanes+l, hours+h
		checkFound(t, f, ride(), rapid.SampledFrom([]int{1, 3, len(ids)}).Draw(t, "most"))
		for id := range f.routes {
			f.drop(id)
		}
		if f.index.trees != [3]tree{} {
			t.Fatal("cells are left in an empty index")
		}
	})
	if lanes == 0 || hours == 0 {
		t.Errorf("%d lanes and %d cells of hours were divided", lanes, hours)
	}
}

// checkFound compares what is found with the best of all routes.
func checkFound(t *rapid.T, f *fleet, ride Ride, most int) {
	var all []insertion
	for _, r := range f.routes {
		f.search.begin(f.travel, ride, f.now)
		f.search.start(f.index)
		f.search.consider(r)
		all = append(all, f.search.found...)
	}
	slices.SortFunc(all, func(a, b insertion) int {
		if a.betterThan(b) {
			return -1
		}
		return 1
	})
	found := slices.Clone(f.find(ride, most, NoLimit))
	if want := all[:min(most, len(all))]; !slices.Equal(found, want) {
		t.Fatalf("found %v\nwant  %v", found, want)
	}
}

// divided counts the cells that are divided as lanes, and by hours.
func divided(x *index) (lanes, hours int) {
	var count func(c *cell)
	count = func(c *cell) {
		switch {
		case c == nil || c.children == nil:
			return
		case c.hour > 0:
			hours++
		case c.lane != nil:
			lanes++
		}
		for _, child := range c.children {
			count(child)
		}
	}
	for i := range x.trees {
		for j := range x.trees[i] {
			for _, root := range x.trees[i][j] {
				count(root)
			}
		}
	}
	return lanes, hours
}
