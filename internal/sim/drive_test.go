package sim

import (
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
	refuses   int // so many pickups are refused first
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
		if code := d.do(act); code != "" {
			refuse(w, http.StatusConflict, code)
			return
		}
		f.answer(w, req, http.StatusOK, d.trip)
	})
}

// do carries an act out, or returns the code with which it is refused.
func (d *driven) do(act string) string {
	d.trip.Plan = slices.Clone(d.trip.Plan)
	switch act {
	case "depart":
		d.trip.Status = tripDeparted
		return ""
	case "complete":
		d.trip.Status = tripCompleted
		return ""
	case "cancel":
		if d.trip.begun() {
			return "trip_not_cancellable"
		}
		d.trip.Status = tripCancelled
		return ""
	}
	var n int
	var what string
	_, _ = fmt.Sscanf(act, "stops/%d/%s", &n, &what)
	s := &d.trip.Plan[n-1]
	if s.State != stopAhead && s.State != stopReached {
		return "stop_over"
	}
	switch what {
	case "arrive":
		s.State, s.NoShowFrom = stopReached, time.Now().Add(3*time.Minute)
	case "pick-up":
		if d.refuses > 0 {
			d.refuses--
			return "order_not_confirmed"
		}
		s.State = stopMade
	case "no-show":
		if time.Now().Before(s.NoShowFrom) {
			return "no_show_too_early"
		}
		s.State = stopMissed
		d.trip.Plan[len(d.trip.Plan)-1].State = "dropped"
	default:
		s.State = stopMade
		d.trip.Status = tripCompleted
	}
	return ""
}

func TestATripIsDriven(t *testing.T) {
	const minute = time.Minute
	for name, c := range map[string]struct {
		nobody  bool
		refuses int
		quits   time.Duration // after the departure
		stays   bool
		acts    string
		ends    string
	}{
		"with a rider":      {acts: "0.0 depart, 5.0 stops/1/arrive, 5.3 stops/1/pick-up, 12.0 stops/2/drop-off", ends: tripCompleted},
		"not confirmed yet": {refuses: 2, acts: "0.0 depart, 5.0 stops/1/arrive, 5.3 stops/1/pick-up, 5.8 stops/1/pick-up, 6.3 stops/1/pick-up, 12.0 stops/2/drop-off", ends: tripCompleted},
		"nobody aboard":     {nobody: true, acts: "0.0 depart, 0.0 complete", ends: tripCompleted},
		"a no-show":         {stays: true, acts: "0.0 depart, 5.0 stops/1/arrive, 8.0 stops/1/no-show, 8.0 complete", ends: tripCompleted},
		"called off":        {quits: -4 * minute, acts: "-4.0 cancel", ends: tripCancelled},
		"given up":          {quits: 3*minute + 6*time.Second, acts: "0.0 depart, 3.1 cancel", ends: tripCancelled},
		"given up too late": {quits: 7 * minute, acts: "0.0 depart, 5.0 stops/1/arrive, 5.3 stops/1/pick-up, 12.0 stops/2/drop-off", ends: tripCompleted},
	} {
		synctest.Test(t, func(t *testing.T) {
			api := newFakeAPI()
			depart := time.Now().Add(10 * minute)
			d := &driven{refuses: c.refuses, trip: Trip{ID: uuid.New(), Status: "open", Origin: Place{Point: geo.Point{Lat: 1}}, DepartAt: depart}}
			rider := uuid.New()
			if !c.nobody {
				d.trip.Plan = []Stop{
					{Number: 1, Kind: stopPickup, OrderID: rider, State: stopAhead, Point: geo.Point{Lat: 2}, At: depart.Add(5 * minute)},
					{Number: 2, Kind: "dropoff", OrderID: rider, State: stopAhead, Point: geo.Point{Lat: 3}, At: depart.Add(12 * minute)},
				}
			}
			api.lets(d)
			var heard []string
			m := motorist{
				Client: api.client().As("driver 1"), clock: clock.System{}, every: sayWhere,
				stays: func(order uuid.UUID) bool { return c.stays && order == rider }, did: func(act string) { heard = append(heard, act) },
			}
			if c.quits != 0 {
				m.quits = depart.Add(c.quits)
			}
			last, err := m.drive(t.Context(), d.trip)
			if got := strings.Join(d.acts, ", "); got != c.acts || last.Status != c.ends || err != nil {
				t.Errorf("%s: %s, now %s, %v; want %s, %s", name, got, last.Status, err, c.acts, c.ends)
			}
			if len(heard) != len(d.acts)-c.refuses {
				t.Errorf("%s: heard of %v", name, heard)
			}
			if !slices.IsSortedFunc(d.positions, func(a, b geo.Point) int { return int(1e6 * (a.Lat - b.Lat)) }) ||
				c.ends == tripCompleted && !c.nobody && (len(d.positions) < 30 || d.positions[0].Lat != 1) {
				t.Errorf("%s: %d positions, from %v", name, len(d.positions), d.positions[:min(1, len(d.positions))])
			}
		})
	}
}

// Who is in the car gets there, whether or not the server answers for a while.
func TestADriverDrivesOnWithoutTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI()
		depart := time.Now().Add(time.Minute)
		d := &driven{trip: Trip{ID: uuid.New(), Status: "open", DepartAt: depart, Plan: []Stop{
			{Number: 1, Kind: stopPickup, State: stopAhead, At: depart.Add(5 * time.Minute)}, {Number: 2, Kind: "dropoff", State: stopAhead, At: depart.Add(12 * time.Minute)}}}}
		api.lets(d)
		away := func(from, to time.Duration) bool {
			at := time.Since(depart)
			return at >= from && at < to
		}
		api.stop = func(w http.ResponseWriter, _ *http.Request) bool {
			gone := away(0, 3*time.Minute) || away(4*time.Minute, 8*time.Minute) || away(11*time.Minute, 15*time.Minute)
			if gone {
				panic(http.ErrAbortHandler)
			}
			return false
		}
		m := motorist{Client: NewClient("http://fake", dropping{inMemory{api}}).As("driver 1"), clock: clock.System{}, every: sayWhere}
		last, err := m.drive(t.Context(), d.trip)
		if err != nil || last.Status != tripCompleted || len(d.acts) != 4 {
			t.Errorf("%s, %v: %v", last.Status, err, d.acts)
		}
	})
}

// A fast clock hastens the cars, but not what they have to say.
func TestAFastCarSpeaksNoFaster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, began := newFakeAPI(), time.Now()
		depart := began.Add(10 * time.Minute)
		d := &driven{trip: Trip{ID: uuid.New(), Status: "open", DepartAt: depart, Plan: []Stop{
			{Number: 1, Kind: stopPickup, State: stopAhead, At: depart.Add(20 * time.Minute)},
			{Number: 2, Kind: "dropoff", State: stopAhead, At: depart.Add(50 * time.Minute)},
		}}}
		api.lets(d)
		fast := clock.Fast{Wall: began, App: began, Rate: 60}
		m := motorist{Client: api.client().As("driver 1"), clock: fast, every: spacing(fast)}
		if _, err := m.drive(t.Context(), d.trip); err != nil || d.trip.Status != tripCompleted {
			t.Errorf("%s, %v", d.trip.Status, err)
		}
		if took := time.Since(began).Round(time.Millisecond); took != time.Minute {
			t.Errorf("it took %s of the wall's", took)
		}
		if n := len(d.positions); n != 25 {
			t.Errorf("%d positions in 50 seconds of driving, want one every other second", n)
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
