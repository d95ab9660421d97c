package sim

import (
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/spotpool/spotpool/internal/geo"
)

func TestCityFollowsItsSeed(t *testing.T) {
	a, b, c := NewCity(1), NewCity(1), NewCity(2)
	same := true
	for range 20 {
		x, y := a.Order(noon), b.Order(noon)
		if x != y || !reflect.DeepEqual(a.Trip(noon), b.Trip(noon)) {
			t.Fatalf("one seed, two cities: %+v %+v", x, y)
		}
		same = same && x == c.Order(noon)
		c.Trip(noon)
	}
	if same {
		t.Error("two seeds, one city")
	}
}

func TestCityKeepsTheRules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		city := NewCity(rapid.Uint64().Draw(t, "seed"))
		now := noon.Add(time.Duration(rapid.IntRange(0, 24*60).Draw(t, "minutes")) * time.Minute)
		trip, order := city.Trip(now), city.Order(now)
		if lead := trip.DepartAt.Sub(now); lead < 3*time.Minute || lead >= 15*time.Minute {
			t.Fatalf("departs after %v", lead)
		}
		if trip.Seats < 3 || trip.Seats > 6 || order.Seats < 1 || order.Seats > 3 {
			t.Fatalf("seats %d, %d", trip.Seats, order.Seats)
		}
		if trip.MaxDetourMinutes < 15 || trip.MaxDetourMinutes > 25 {
			t.Fatalf("detour %d", trip.MaxDetourMinutes)
		}
		direct := geo.Between(geo.DefaultTravel, order.Origin.Point, order.Destination.Point).Duration
		if !order.ArriveBefore.IsZero() && order.ArriveBefore.Sub(now) < direct+25*time.Minute {
			t.Fatalf("%v for a way of %v", order.ArriveBefore.Sub(now), direct)
		}
		for _, p := range []Place{trip.Origin, *trip.Destination, order.Origin, order.Destination} {
			if geo.Distance(p.Point, square.Point) > 40_000 || p.Name == "" {
				t.Fatalf("outside the city: %+v", p)
			}
		}
		if geo.Distance(trip.Origin.Point, trip.Destination.Point) < 500 {
			t.Fatalf("goes nowhere: %+v", trip)
		}
	})
}

func TestCityCommutes(t *testing.T) {
	home := map[string]bool{}
	for _, h := range homes {
		home[h.name] = true
	}
	for _, c := range []struct {
		local     string
		low, high int // of 1000 leave from home
	}{{"08:00", 800, 900}, {"13:00", 450, 550}, {"18:00", 100, 200}} {
		at, err := time.ParseInLocation("2006-01-02 15:04", "2026-03-02 "+c.local, localTime)
		if err != nil {
			t.Fatal(err)
		}
		city, n := NewCity(7), 0
		for range 1000 {
			if home[city.Order(at).Origin.Name] {
				n++
			}
		}
		if n < c.low || n > c.high {
			t.Errorf("%s: %d of 1000 leave from home, want %d to %d", c.local, n, c.low, c.high)
		}
	}
}

func TestCityFillsItsHubsByWeight(t *testing.T) {
	city, n := NewCity(5), map[string]int{}
	for range 1900 { // a hundred for each unit of weight of the homes
		n[city.address(homes).Name]++
	}
	for _, h := range homes {
		between(t, h.name, n[h.name], int(100*h.weight)-50, int(100*h.weight)+50)
	}
}

// fits says whether an empty car of t could take o: in time, within the
// driver's detour.
func fits(t TripOffer, o OrderRequest) bool {
	leg := func(a, b Place) time.Duration { return geo.Between(geo.DefaultTravel, a.Point, b.Point).Duration }
	pickup := leg(t.Origin, o.Origin)
	ride := leg(o.Origin, o.Destination)
	all := pickup + ride + leg(o.Destination, *t.Destination)
	inTime := o.ArriveBefore.IsZero() || !t.DepartAt.Add(pickup+ride).After(o.ArriveBefore)
	detour := time.Duration(t.MaxDetourMinutes) * time.Minute
	return inTime && all-leg(t.Origin, *t.Destination) <= detour && o.Seats <= t.Seats
}

func TestCityRidersFindCars(t *testing.T) {
	city := NewCity(3)
	var trips []TripOffer
	for range 60 {
		trips = append(trips, city.Trip(noon))
	}
	served := 0
	for range 500 {
		o := city.Order(noon)
		for _, trip := range trips {
			if fits(trip, o) {
				served++
				break
			}
		}
	}
	if served < 450 {
		t.Errorf("%d of 500 riders find one of 60 cars", served)
	}
}
