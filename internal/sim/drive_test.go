package sim

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/geo"
)

// driven is a trip that the fake API lets be driven, with two stops.
type driven struct {
	trip      Trip
	acts      []string // what its driver said, with the minute after its departure
	positions []geo.Point
	refuses   int // so many acts at stops are refused first
}

func (f *fakeAPI) lets(d *driven) {
	f.mux.HandleFunc("GET /v1/trips/{id}", func(w http.ResponseWriter, req *http.Request) { f.answer(w, req, http.StatusOK, d.trip) })
	f.mux.HandleFunc("POST /v1/trips/{id}/position", func(w http.ResponseWriter, req *http.Request) {
		if at, ok := input[geo.Point](w, req); ok {
			d.positions = append(d.positions, at)
			f.answer(w, req, http.StatusOK, at)
		}
	})
	f.mux.HandleFunc("POST /v1/trips/{id}/{act...}", func(w http.ResponseWriter, req *http.Request) {
		act := req.PathValue("act")
		d.acts = append(d.acts, fmt.Sprintf("%.1f %s", time.Since(d.trip.DepartAt).Minutes(), act))
		switch act {
		case "depart":
			d.trip.Status = tripDeparted
		case "complete":
			d.trip.Status = "completed"
		default:
			if d.refuses > 0 {
				d.refuses--
				refuse(w, http.StatusConflict, "order_not_confirmed")
				return
			}
			i := slices.IndexFunc(d.trip.Plan, func(s Stop) bool { return s.act() == act })
			d.trip.Plan = slices.Clone(d.trip.Plan)
			d.trip.Plan[i].State = "made"
			if i == len(d.trip.Plan)-1 {
				d.trip.Status = "completed"
			}
		}
		f.answer(w, req, http.StatusOK, d.trip)
	})
}

func TestATripIsDriven(t *testing.T) {
	for name, c := range map[string]struct {
		stops   bool
		refuses int
		acts    string
	}{
		"with a rider":       {true, 0, "0.0 depart, 5.0 stops/1/pick-up, 12.0 stops/2/drop-off"},
		"not confirmed yet":  {true, 2, "0.0 depart, 5.0 stops/1/pick-up, 5.2 stops/1/pick-up, 5.3 stops/1/pick-up, 12.0 stops/2/drop-off"},
		"with nobody aboard": {false, 0, "0.0 depart, 0.0 complete"},
	} {
		synctest.Test(t, func(t *testing.T) {
			api := newFakeAPI()
			depart := time.Now().Add(10 * time.Minute)
			d := &driven{refuses: c.refuses, trip: Trip{ID: uuid.New(), Status: "open", Origin: Place{Point: geo.Point{Lat: 1}}, DepartAt: depart}}
			if c.stops {
				d.trip.Plan = []Stop{
					{Number: 1, Kind: stopPickup, State: stopAhead, Point: geo.Point{Lat: 2}, At: depart.Add(5 * time.Minute)},
					{Number: 2, Kind: "dropoff", State: stopAhead, Point: geo.Point{Lat: 3}, At: depart.Add(12 * time.Minute)},
				}
			}
			api.lets(d)
			town := &town{Live: liveOn(api)}
			town.drive(context.Background(), api.client().As("driver 1"), d.trip)
			if got := strings.Join(d.acts, ", "); got != c.acts || d.trip.Status != "completed" {
				t.Errorf("%s: %s, now %s; want %s", name, got, d.trip.Status, c.acts)
			}
			if !slices.IsSortedFunc(d.positions, func(a, b geo.Point) int { return int(1e6 * (a.Lat - b.Lat)) }) ||
				c.stops && (len(d.positions) < 60 || d.positions[0].Lat != 1) {
				t.Errorf("%s: %d positions, from %v", name, len(d.positions), d.positions[:min(1, len(d.positions))])
			}
		})
	}
}

// A fast clock hastens the cars, but not what they have to say.
func TestAFastCarSpeaksNoFaster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, began := newFakeAPI(), time.Now()
		depart := began.Add(10 * time.Minute)
		d := &driven{trip: Trip{ID: uuid.New(), Status: "open", DepartAt: depart, Plan: []Stop{
			{Number: 1, Kind: stopPickup, State: stopAhead, Point: geo.Point{Lat: 2}, At: depart.Add(20 * time.Minute)},
		}}}
		api.lets(d)
		l := liveOn(api)
		l.Clock = clock.Fast{Wall: began, App: began, Rate: 60}
		(&town{Live: l}).drive(context.Background(), api.client().As("driver 1"), d.trip)
		if took := time.Since(began).Round(time.Second); took != 30*time.Second || d.trip.Status != "completed" {
			t.Errorf("%s after %s of the wall's", d.trip.Status, took)
		}
		if n := len(d.positions); n != 10 {
			t.Errorf("%d positions in 20 seconds of driving, want one every other second", n)
		}
	})
}

// Whoever drives stops when the city does.
func TestDriversStopWithTheCity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI()
		d := &driven{trip: Trip{ID: uuid.New(), Status: "open"}}
		api.lets(d)
		l := liveOn(api)
		l.Drive = true
		runFor(t, l, 2*time.Minute)
		if len(api.trips) < 10 {
			t.Errorf("%d trips were offered", len(api.trips))
		}
	})
}
