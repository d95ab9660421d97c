package trip

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/fault"
	"github.com/spotpool/spotpool/internal/geo"
)

// noon is when the tests take place.
var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// minutes is a travel model on one street: a degree of latitude is a minute.
type minutes struct{}

func (minutes) Locate(p geo.Point) geo.Spot { return geo.Spot{Point: p} }

func (minutes) Pace() float64 { return 50 }

func (minutes) Leg(from, to geo.Spot) geo.Leg {
	d := from.Lat - to.Lat
	return geo.Leg{Duration: time.Duration(max(d, -d) * float64(time.Minute))}
}

func at(minute int) time.Time { return noon.Add(time.Duration(minute) * time.Minute) }

func place(lat float64) Place { return Place{Point: geo.Point{Lat: lat}, Name: "somewhere"} }

func pickup(order uuid.UUID, lat float64, seats, earliest int) Stop {
	return Stop{OrderID: order, Kind: Pickup, Place: place(lat), Seats: seats, Earliest: at(earliest)}
}

func dropoff(order uuid.UUID, lat float64, seats, latest int) Stop {
	return Stop{OrderID: order, Kind: Dropoff, Place: place(lat), Seats: seats, Latest: at(latest)}
}

func TestTransitions(t *testing.T) {
	allowed := map[[2]Status]bool{
		{Open, Departed}: true, {Open, Cancelled}: true, {Departed, Completed}: true, {Departed, Cancelled}: true,
	}
	for _, from := range []Status{Open, Departed, Completed, Cancelled} {
		for _, to := range []Status{Open, Departed, Completed, Cancelled} {
			if got := from.Can(to); got != allowed[[2]Status{from, to}] {
				t.Errorf("%s → %s: %v", from, to, got)
			}
		}
	}
}

func TestPlaceCheck(t *testing.T) {
	for name, c := range map[string]struct {
		place Place
		code  string
	}{
		"fine":           {Place{geo.Point{Lat: 31, Lng: 121}, strings.Repeat("站", maxName)}, ""},
		"off the globe":  {Place{geo.Point{Lat: 91}, ""}, "point_off_the_globe"},
		"name too long":  {Place{geo.Point{}, strings.Repeat("站", maxName+1)}, "name_too_long"},
		"edge of a pole": {Place{geo.Point{Lat: -90, Lng: 180}, ""}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.place.Check("origin")
			if c.code == "" && err != nil || c.code != "" && fault.CodeOf(err) != c.code {
				t.Errorf("got %v, want %q", err, c.code)
			}
		})
	}
}

// island is a travel model with two roads that do not meet, along the equator and
// along 10° north.
type island struct{ minutes }

func (island) Locate(p geo.Point) geo.Spot {
	road := math.Round(p.Lat/10) * 10
	return geo.Spot{Point: geo.Point{Lat: road, Lng: p.Lng}, Node: int32(road)}
}

func (i island) Leg(from, to geo.Spot) geo.Leg {
	if from.Node != to.Node {
		return geo.Unreachable
	}
	return i.minutes.Leg(from, to)
}

func TestWay(t *testing.T) {
	for _, c := range []struct {
		name, field, code string
		from, to          float64
	}{
		{"on one road", "", "", 0, 0},
		{"a short walk from it", "", "", 0.01, -0.01},
		{"begins far from any road", "origin", "off_the_roads", 1, 0},
		{"ends far from any road", "destination", "off_the_roads", 0, 1},
		{"on two roads", "destination", "no_way", 0, 10},
	} {
		_, err := Way(island{}, place(c.from), place(c.to))
		var f *fault.Error
		errors.As(err, &f)
		switch {
		case c.code == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.code != "" && (f == nil || f.Code != c.code || f.Fields[0].Name != c.field):
			t.Errorf("%s: %v, want %s about %s", c.name, err, c.code, c.field)
		}
	}
}

// Of a trip without a destination only the origin must be near a road.
func TestDrivable(t *testing.T) {
	for from, code := range map[float64]string{0: "", 1: "off_the_roads"} {
		if err := (Offer{Origin: place(from)}).drivable(island{}); fault.CodeOf(err) != code && (err != nil || code != "") {
			t.Errorf("from %v: %v, want %q", from, err, code)
		}
	}
}

func TestReschedule(t *testing.T) {
	a, b := uuid.New(), uuid.New()
	before := Trip{Seats: 4, Origin: place(0), Dest: new(place(30)), DepartAt: noon, Plan: Plan{
		pickup(a, 5, 2, 0), pickup(b, 10, 1, 12), dropoff(a, 20, 2, 60), dropoff(b, 25, 1, 60),
	}}
	after := before.Reschedule(minutes{})

	var got []time.Time
	for _, s := range after.Plan {
		got = append(got, s.At)
	}
	// The vehicle is at 10 two minutes before it may pick up b, and waits.
	if want := []time.Time{at(5), at(12), at(22), at(27)}; !slices.Equal(got, want) {
		t.Errorf("stops at %v, want %v", got, want)
	}
	if !after.ArriveAt.Equal(at(32)) || after.SeatsLeft != 1 {
		t.Errorf("arrives %v with %d seats left, want 12:32 and 1", after.ArriveAt, after.SeatsLeft)
	}
	if !before.Plan[0].At.IsZero() {
		t.Error("the plan it was made from has changed")
	}
}

func TestPlan(t *testing.T) {
	a, b := uuid.New(), uuid.New()
	plan := Plan{pickup(a, 1, 2, 0), dropoff(a, 2, 2, 9), pickup(b, 3, 3, 0), dropoff(b, 4, 3, 9)}
	if got := plan.MaxLoad(); got != 3 {
		t.Errorf("largest load %d, want 3: one order leaves before the other joins", got)
	}
	if got := plan.Orders(); !slices.Equal(got, []uuid.UUID{a, b}) {
		t.Errorf("orders %v", got)
	}
	if got := plan.Without(a); !slices.Equal(got.Orders(), []uuid.UUID{b}) || len(got) != 2 || len(plan) != 4 {
		t.Errorf("without a: %v", got)
	}
}
