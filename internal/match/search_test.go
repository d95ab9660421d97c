package match

import (
	"bytes"
	"log/slog"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/golang/geo/s2"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/geo"
	"github.com/spotpool/spotpool/internal/trip"
)

// noon is when the tests take place.
var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func at(minute int) time.Time { return noon.Add(time.Duration(minute) * time.Minute) }

func place(lat, lng float64) trip.Place { return trip.Place{Point: geo.Point{Lat: lat, Lng: lng}} }

// minutes is a travel model on one street to the north, where a hundredth of a
// degree takes a minute.
type minutes struct{}

func (minutes) Locate(p geo.Point) geo.Spot { return geo.Spot{Point: p} }

func (minutes) Pace() float64 { return 50 }

func (minutes) Leg(from, to geo.Spot) geo.Leg {
	d := math.Abs(from.Lat - to.Lat)
	return geo.Leg{Duration: time.Duration(math.Round(d*6000)) * time.Second}
}

// mark is the place so many minutes up the street.
func mark(minute float64) trip.Place { return place(minute/100, 0) }

// best is the pure search over some trips, without a board.
func best(travel geo.Travel, trips []trip.Trip, req Request) (Offer, bool) {
	var s searcher
	if !s.begin(travel, req.ride(travel), 0) {
		return Offer{}, false
	}
	for _, t := range trips {
		s.consider(newRoute(pathOf(t, travel), travel))
	}
	for _, t := range trips {
		if s.best().route != nil && t.ID == s.best().route.path.ID {
			return offer(t, s.best(), req, travel), true
		}
	}
	return Offer{}, false
}

// street is a trip along the street from 0 to 30 that leaves at noon.
func street(seats int, detour time.Duration, plan ...trip.Stop) trip.Trip {
	t := trip.Trip{
		ID: uuid.Must(uuid.NewV7()), Status: trip.Open, Seats: seats, Origin: mark(0), Dest: new(mark(30)),
		DepartAt: noon, MaxDetour: detour, Version: 7, Plan: plan,
	}
	return t.Reschedule(minutes{})
}

func stops(order uuid.UUID, from, to float64, seats, earliest, latest int) (up, down trip.Stop) {
	return trip.Stop{OrderID: order, Kind: trip.Pickup, Place: mark(from), Seats: seats, Earliest: at(earliest)},
		trip.Stop{OrderID: order, Kind: trip.Dropoff, Place: mark(to), Seats: seats, Latest: at(latest)}
}

func ask(from, to float64, seats, earliest, latest int) Request {
	return Request{
		OrderID: uuid.New(), Origin: mark(from), Dest: mark(to), Seats: seats,
		Earliest: at(earliest), Latest: at(latest),
	}
}

func TestSearchRules(t *testing.T) {
	up, down := stops(uuid.New(), 10, 20, 3, 0, 25)
	with := []trip.Stop{up, down}
	for name, c := range map[string]struct {
		trip  trip.Trip
		req   Request
		added time.Duration // < 0: nothing fits
		up    int           // minutes after noon
		down  int
	}{
		"on the way":                   {street(4, 0), ask(5, 25, 1, 0, 60), 0, 5, 25},
		"the wrong way":                {street(4, 30*time.Minute), ask(25, 5, 1, 0, 60), -1, 0, 0},
		"back and forth in the limit":  {street(4, 40*time.Minute), ask(25, 5, 1, 0, 60), 40 * time.Minute, 25, 45},
		"beside the way":               {street(4, 10*time.Minute), ask(-5, 25, 1, 0, 60), 10 * time.Minute, 5, 35},
		"past the detour limit":        {street(4, 9*time.Minute), ask(-5, 25, 1, 0, 60), -1, 0, 0},
		"more seats than there are":    {street(2, 0), ask(5, 25, 3, 0, 60), -1, 0, 0},
		"seats are taken":              {street(4, 0, with...), ask(5, 25, 2, 0, 60), -1, 0, 0},
		"seats are taken in between":   {street(4, 0, with...), ask(5, 15, 2, 0, 60), -1, 0, 0},
		"seats are free before":        {street(4, 0, with...), ask(2, 10, 4, 0, 60), 0, 2, 10},
		"seats are free after":         {street(4, 0, with...), ask(20, 30, 4, 0, 60), 0, 20, 30},
		"one seat is left":             {street(4, 0, with...), ask(5, 25, 1, 0, 60), 0, 5, 25},
		"arrives too late":             {street(4, 0), ask(5, 25, 1, 0, 24), -1, 0, 0},
		"arrives just in time":         {street(4, 0), ask(5, 25, 1, 0, 25), 0, 5, 25},
		"waiting is a detour":          {street(4, 10*time.Minute), ask(5, 25, 1, 15, 60), 0, 15, 35},
		"waiting breaks the limit":     {street(4, 9*time.Minute), ask(5, 25, 1, 15, 60), -1, 0, 0},
		"would break another's word":   {street(4, time.Hour, with...), ask(2, 30, 1, 8, 60), -1, 0, 0},
		"another's word is just kept":  {street(4, time.Hour, with...), ask(2, 30, 1, 7, 60), 0, 7, 35},
		"a wait is there to be filled": {street(4, 5*time.Minute, waiting()...), ask(-2.5, 30, 1, 0, 60), 5 * time.Minute, 2, 35},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := best(minutes{}, []trip.Trip{c.trip}, c.req)
			if ok != (c.added >= 0) {
				t.Fatalf("found: %v, %+v", ok, got)
			}
			if !ok {
				return
			}
			if got.Added != c.added || got.PickupAt.Truncate(time.Minute) != at(c.up) || !got.DropoffAt.Equal(at(c.down)) {
				t.Errorf("adds %s, picks up at %s and drops off at %s", got.Added, got.PickupAt, got.DropoffAt)
			}
			if got.Version != 7 || got.Trip.ID != c.trip.ID || len(got.Trip.Plan) != len(c.trip.Plan)+2 {
				t.Errorf("offers %+v", got)
			}
		})
	}
}

// waiting is a plan that waits five minutes for an order at the first stop.
func waiting() []trip.Stop {
	up, down := stops(uuid.New(), 10, 20, 1, 15, 60)
	return []trip.Stop{up, down}
}

func TestTies(t *testing.T) {
	early, late := street(4, 0), street(4, 0)
	late.DepartAt = at(1)
	twin := early
	twin.ID = uuid.Must(uuid.NewV7())
	trips := []trip.Trip{late, twin, early}
	for range 2 {
		got, ok := best(minutes{}, trips, ask(5, 25, 1, 0, 60))
		if !ok || got.Trip.ID != early.ID {
			t.Errorf("found %v, want the trip that drops off first, and of twins the elder", got.Trip.ID)
		}
		slices.Reverse(trips)
	}
}

func TestFullPlanTakesNoMore(t *testing.T) {
	var plan []trip.Stop
	for range trip.MaxStops/2 - 1 {
		up, down := stops(uuid.New(), 5, 25, 1, 0, 60)
		plan = append(slices.Insert(plan, 0, up), down)
	}
	if _, ok := best(minutes{}, []trip.Trip{street(99, 0, plan...)}, ask(5, 25, 1, 0, 60)); !ok {
		t.Error("room for two stops was not used")
	}
	if _, ok := best(minutes{}, []trip.Trip{street(99, 0, append(plan, plan[0], plan[len(plan)-1])...)}, ask(5, 25, 1, 0, 60)); ok {
		t.Error("a plan grew beyond its limit")
	}
}

// bruteForce tries every pair of places in every trip and drives each plan from
// its beginning. It knows nothing of slack, corridors or limits ahead.
func bruteForce(travel geo.Travel, trips []trip.Trip, req Request) (found Offer, ok bool) {
	for _, t := range trips {
		if len(t.Plan)+2 > trip.MaxStops {
			continue
		}
		for i := range len(t.Plan) + 1 {
			for j := i; j <= len(t.Plan); j++ {
				o := inserted(travel, t, req, i, j)
				if sound(travel, o.Trip) && (!ok || cheaper(o, found)) {
					found, ok = o, true
				}
			}
		}
	}
	return found, ok
}

func inserted(travel geo.Travel, t trip.Trip, req Request, i, j int) Offer {
	n := t
	n.Plan = slices.Insert(slices.Clone(t.Plan), j,
		trip.Stop{OrderID: req.OrderID, Kind: trip.Dropoff, Place: req.Dest, Seats: req.Seats, Latest: req.Latest})
	n.Plan = slices.Insert(n.Plan, i,
		trip.Stop{OrderID: req.OrderID, Kind: trip.Pickup, Place: req.Origin, Seats: req.Seats, Earliest: req.Earliest})
	n = n.Reschedule(travel)
	return Offer{Trip: n, Version: t.Version, Added: driving(travel, n) - driving(travel, t),
		PickupAt: n.Plan[i].At, DropoffAt: n.Plan[j+1].At}
}

func driving(travel geo.Travel, t trip.Trip) (sum time.Duration) {
	here := t.Origin.Point
	for _, s := range t.Plan {
		sum += geo.Between(travel, here, s.Place.Point).Duration
		here = s.Place.Point
	}
	if t.Dest == nil {
		return sum
	}
	return sum + geo.Between(travel, here, t.Dest.Point).Duration
}

// sound reports whether a trip keeps every rule.
func sound(travel geo.Travel, t trip.Trip) bool {
	for _, s := range t.Plan {
		if s.Kind == trip.Dropoff && s.At.After(s.Latest) || s.Kind == trip.Pickup && s.At.Before(s.Earliest) {
			return false
		}
	}
	if t.Plan.MaxLoad() > t.Seats || t.Dest == nil {
		return t.Plan.MaxLoad() <= t.Seats
	}
	direct := geo.Between(travel, t.Origin.Point, t.Dest.Point).Duration
	return t.ArriveAt.Sub(t.DepartAt)-direct <= t.MaxDetour
}

func cheaper(a, b Offer) bool {
	if a.Added != b.Added {
		return a.Added < b.Added
	}
	if !a.DropoffAt.Equal(b.DropoffAt) {
		return a.DropoffAt.Before(b.DropoffAt)
	}
	return bytes.Compare(a.Trip.ID[:], b.Trip.ID[:]) < 0
}

// A day of random orders on random trips: the board finds what the brute force
// finds, order by order, on plans that grow.
func TestSearchAgreesWithBruteForce(t *testing.T) {
	searched, matched, longest := 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		travel := geo.DefaultTravel
		board := NewBoard(nil, travel, clock.NewFake(noon), slog.New(slog.DiscardHandler))
		degrees := rapid.SampledFrom([]float64{0.02, 0.1, 0.5, 20}).Draw(t, "degrees")
		lat := rapid.SampledFrom([]float64{0, 31.2, -60}).Draw(t, "lat")
		places := rapid.Custom(func(t *rapid.T) trip.Place {
			return place(lat+rapid.Float64Range(0, degrees).Draw(t, "Δlat"), rapid.Float64Range(0, degrees).Draw(t, "Δlng"))
		})
		var trips []trip.Trip
		for range rapid.IntRange(1, 4).Draw(t, "trips") {
			made := aTrip(t, places, travel)
			trips = append(trips, made)
			board.Put(made)
		}
		for range rapid.IntRange(1, 16).Draw(t, "orders") {
			req := aRequest(t, places, travel)
			want, wantOK := bruteForce(travel, trips, req)
			got, ok := board.Search(req)
			if ok != wantOK || got.Added != want.Added || !got.DropoffAt.Equal(want.DropoffAt) || got.Trip.ID != want.Trip.ID {
				t.Fatalf("found %v %+v\nwant  %v %+v", ok, got, wantOK, want)
			}
			searched++
			if !ok {
				continue
			}
			matched++
			i := slices.IndexFunc(trips, func(t trip.Trip) bool { return t.ID == got.Trip.ID })
			if !sound(travel, got.Trip) || got.Version != trips[i].Version || driving(travel, got.Trip)-driving(travel, trips[i]) != got.Added {
				t.Fatalf("unsound offer %+v", got)
			}
			got.Trip.Version++
			trips[i] = got.Trip
			board.Put(got.Trip)
			longest = max(longest, len(got.Trip.Plan))
		}
	})
	t.Logf("%d of %d orders matched, the longest plan has %d stops", matched, searched, longest)
	if matched < searched/10 || matched > searched*9/10 {
		t.Error("the generator is too easy or too hard to tell anything")
	}
}

func aTrip(t *rapid.T, places *rapid.Generator[trip.Place], travel geo.Travel) trip.Trip {
	made := trip.Trip{
		ID: uuid.Must(uuid.NewV7()), Status: trip.Open, Seats: rapid.IntRange(1, 8).Draw(t, "seats"),
		Origin: places.Draw(t, "origin"), Version: 1, DepartAt: at(rapid.IntRange(1, 30).Draw(t, "depart")),
	}
	if taxi := rapid.IntRange(0, 3).Draw(t, "taxi") == 0; !taxi {
		made.Dest = new(places.Draw(t, "dest"))
		made.MaxDetour = time.Duration(rapid.SampledFrom([]int{0, 5, 15, 60, 120}).Draw(t, "detour")) * time.Minute
	}
	return made.Reschedule(travel)
}

func aRequest(t *rapid.T, places *rapid.Generator[trip.Place], travel geo.Travel) Request {
	req := Request{
		OrderID: uuid.New(), Origin: places.Draw(t, "from"), Dest: places.Draw(t, "to"),
		Seats: rapid.IntRange(1, 3).Draw(t, "seats"), Earliest: at(rapid.IntRange(-10, 60).Draw(t, "earliest")),
	}
	direct := geo.Between(travel, req.Origin.Point, req.Dest.Point).Duration
	req.Latest = req.Earliest.Add(direct + time.Duration(rapid.IntRange(0, 90).Draw(t, "patience"))*time.Minute)
	return req
}

// Whatever can be visited within the slack lies in the corridor's
// box, also on long legs, near the poles and across the corners of the S2 cube.
func TestCorridorHoldsWhatCanBeVisited(t *testing.T) {
	travel := geo.DefaultTravel
	rapid.Check(t, func(t *rapid.T) {
		reach := rapid.SampledFrom([]float64{0, 0.01, 0.3, 5, 80}).Draw(t, "reach")
		origin := place(rapid.Float64Range(-90, 90).Draw(t, "lat"), rapid.Float64Range(-180, 180).Draw(t, "lng"))
		dest := beside(t, origin, reach)
		r := newRoute(pathOf(trip.Trip{
			ID: uuid.New(), Status: trip.Open, Seats: 4, Origin: origin, Dest: &dest, DepartAt: noon,
			MaxDetour: time.Duration(rapid.IntRange(0, 120).Draw(t, "detour")) * time.Minute,
		}, travel), travel)
		points, radius := r.corridor(travel.Pace())

		p := edge(r, travel, rapid.SampledFrom([]trip.Place{origin, dest}).Draw(t, "from"), beside(t, origin, reach+2))
		if !geo.Around(radius, points...).Contains(p) {
			t.Errorf("%v can be visited from %v to %v with %s of slack, but is outside the box", p, origin, dest, r.slack())
		}
	})
}

// beside returns a place at most so many degrees away.
func beside(t *rapid.T, p trip.Place, degrees float64) trip.Place {
	off := rapid.Float64Range(-degrees, degrees)
	lat, lng := p.Lat+off.Draw(t, "Δlat"), p.Lng+off.Draw(t, "Δlng")
	return place(min(90, max(-90, lat)), math.Remainder(lng, 360))
}

// edge returns the point farthest from one place towards another that the
// route, which has a single leg, can visit within its slack.
func edge(r *route, travel geo.Travel, from, to trip.Place) geo.Point {
	a, b := s2.PointFromLatLng(latLng(from.Point)), s2.PointFromLatLng(latLng(to.Point))
	if geo.Distance(from.Point, to.Point) < 1 {
		return from.Point
	}
	low, high := 0.0, 1.0
	point := func(x float64) geo.Point {
		p := s2.LatLngFromPoint(s2.Interpolate(x, a, b))
		return geo.Point{Lat: p.Lat.Degrees(), Lng: p.Lng.Degrees()}
	}
	for range 40 {
		middle := (low + high) / 2
		p := point(middle)
		if travel.Leg(r.visits[0].Spot, travel.Locate(p)).Duration+travel.Leg(travel.Locate(p), r.visits[1].Spot).Duration-r.visits[0].leg <= r.slack() {
			low = middle
		} else {
			high = middle
		}
	}
	return point(low)
}
