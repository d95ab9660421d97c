package sim

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/clock"
)

// rides returns n recorded rides, one a minute, every third a driver's.
func rides(n int) []Ride {
	all := make([]Ride, n)
	for i := range all {
		all[i] = Ride{Origin: square.Point, Dest: tower.Point, Start: time.Duration(i) * time.Minute, Seats: 1}
		if i%3 == 0 {
			all[i].Seats, all[i].Driver = carSeats, true
		}
	}
	return all
}

func loadOn(api *fakeAPI, p Plan) Load {
	return Load{
		Client: api.client(), Tokens: names, Clock: clock.System{}, Log: quiet,
		Plan: p, InFlight: 64, Wait: 5 * time.Minute,
	}
}

func replayOn(api *fakeAPI, n int) Load { return loadOn(api, ReplayPlan(rides(n), time.Minute)) }

// The plan and what is measured are by the wall's clock, what is asked for by the server's.
func TestDriveGoesByTheWallsClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, app := newFakeAPI(), time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
		l := loadOn(api, CityLoad{Seed: 1, Rates: []float64{5}, Hold: time.Minute, Drivers: 10}.Plan())
		l.Clock = clock.Fast{Wall: time.Now(), App: app, Rate: 60}
		begin := time.Now()
		r, err := Drive(t.Context(), l)
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took < 50*time.Second || took > 80*time.Second || time.Duration(r.Took) > took {
			t.Errorf("took %s", took)
		}
		between(t, "orders", r.Steps[0].Accepted, 240, 360)
		for _, o := range api.orders {
			if by := o.what.ArriveBefore; !by.IsZero() && (by.Before(app) || by.After(app.Add(4*time.Hour))) {
				t.Fatalf("an order is to arrive by %s", by)
			}
		}
	})
}

func TestDriveReports(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI()
		api.life = func(n int) []string {
			switch n % 10 {
			case 8:
				return []string{statusMatching, statusExpired}
			case 9:
				return []string{statusMatched, statusCancelled}
			default:
				return []string{statusMatching, statusMatched, statusConfirmed}
			}
		}
		api.slow = func(n int) time.Duration { return time.Duration(n+1) * 10 * time.Millisecond }
		api.stop = func(w http.ResponseWriter, req *http.Request) bool {
			if whose(req) == "rider 0" || whose(req) == "driver 0" {
				refuse(w, http.StatusUnprocessableEntity, "rule_"+strings.Fields(whose(req))[0])
				return true
			}
			return false
		}
		r, err := Drive(t.Context(), replayOn(api, 303))
		if err != nil {
			t.Fatal(err)
		}
		f := r.Total
		if r.Trips != 100 || f.Offered != 202 || f.Accepted != 201 || f.Confirmed != 161 || f.Expired != 20 || f.Cancelled != 20 ||
			f.Matched != 181 || f.Unfinished != 0 || r.Observed != 0 {
			t.Errorf("got %+v", r)
		}
		if !maps.Equal(f.Refused, map[string]int{"rule_rider": 1}) || !maps.Equal(r.TripsRefused, map[string]int{"rule_driver": 1}) {
			t.Errorf("refused: %v, %v", f.Refused, r.TripsRefused)
		}
		near(t, "confirm p50", f.Confirm.P50, 1000*time.Millisecond)
		near(t, "confirm max", f.Confirm.Max, 1980*time.Millisecond)
		near(t, "match p99.9", f.Match.P999, 1000*time.Millisecond)
		if f.Confirm.P90 > f.Confirm.P99 || f.Confirm.P99 > f.Confirm.P999 || f.Confirm.Count != 161 {
			t.Errorf("latency: %+v", f.Confirm)
		}
		// Of ten orders, two to a trip, the first eight are confirmed, all in pairs; the 201st is alone.
		if f.Pooled != 160.0/161 || f.Detour.Count != 161 || f.Detour.Mean < 1.199 || f.Detour.Mean > 1.201 {
			t.Errorf("pooled %v, detour %+v", f.Pooled, f.Detour)
		}
		if f.Queue.Samples < 55 || f.Queue.Max != 201+7 || f.Queue.MaxOf["sms"] != 7 {
			t.Errorf("queue: %+v", f.Queue)
		}
		if took := time.Duration(r.Took); took < time.Minute || took > 70*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

// near fails unless a latency is within a twentieth of what it should be.
func near(t *testing.T, what string, got Seconds, want time.Duration) {
	t.Helper()
	if off := time.Duration(got) - want; off.Abs() > want/20 {
		t.Errorf("%s is %v, want about %v", what, got, want)
	}
}

func TestTheCityKeepsItsDrivers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI()
		begin := time.Now()
		l := loadOn(api, CityLoad{Seed: 3, Rates: []float64{1}, Hold: 30 * time.Minute, Drivers: 60}.Plan())
		l.Poll = time.Minute
		if _, err := Drive(t.Context(), l); err != nil {
			t.Fatal(err)
		}
		if api.trips[59].at != begin || api.orders[0].at == begin {
			t.Error("the stock is not there before the first order")
		}
		people := map[string]bool{}
		for _, o := range api.orders {
			people[o.by] = true
		}
		if len(people) != len(api.orders) {
			t.Errorf("%d people for %d orders", len(people), len(api.orders))
		}
		for minute := range 30 {
			at, onOffer := begin.Add(time.Duration(minute)*time.Minute), 0
			for _, trip := range api.trips {
				if !trip.at.After(at) && trip.what.DepartAt.After(at) {
					onOffer++
				}
			}
			if onOffer < 60 {
				t.Errorf("%d trips on offer after %d minutes", onOffer, minute)
			}
		}
	})
}

func TestReplayOffersTripsAheadOfTheOrders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI()
		begin := time.Now()
		if _, err := Drive(t.Context(), replayOn(api, 300)); err != nil {
			t.Fatal(err)
		}
		if first := api.orders[0].at.Sub(begin); first < 12*time.Second {
			t.Errorf("the first order comes after %v", first)
		}
		people := map[string]bool{}
		for i, trip := range api.trips {
			people[trip.by] = true
			if i > 0 && trip.at.Before(api.trips[i-1].at) {
				t.Fatal("trips out of order")
			}
			if lead := trip.what.DepartAt.Sub(trip.at).Round(time.Millisecond); lead != 15*time.Minute+12*time.Second {
				t.Fatalf("departs after %v", lead)
			}
		}
		for _, o := range api.orders {
			people[o.by] = true
			if o.what.DepartAfter != (time.Time{}) || o.what.ArriveBefore.Sub(o.at) < 35*time.Minute {
				t.Fatalf("asks for %+v at %v", o.what, o.at)
			}
		}
		if len(people) != 300 {
			t.Errorf("%d people for 300 rides", len(people))
		}
		if end := api.orders[len(api.orders)-1].at.Sub(begin).Round(time.Millisecond); end != time.Minute {
			t.Errorf("the last order comes after %v", end)
		}
	})
}

func TestFollowingIsFrugal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI()
		api.life = func(n int) []string {
			if n == 5000 {
				return nil // for ever matching, on the last page of ours
			}
			return []string{statusConfirmed}
		}
		for range 5000 { // others ordered before
			api.orders = append(api.orders, &fakeOrder{Order: Order{ID: uuid.Must(uuid.NewV7()), Status: statusMatching}})
		}
		l := loadOn(api, ReplayPlan(rides(1500), time.Second))
		l.Wait = 100 * time.Second
		r, err := Drive(t.Context(), l)
		if err != nil || r.Total.Unfinished != 1 || r.Total.Confirmed != 999 {
			t.Fatal(r, err)
		}
		// The probe, all of them at the first looks and at the end, and one page for the last each second.
		between(t, "pages read", api.count("GET /v1/orders operator"), 100, 125)
		if n := api.count("GET /v1/orders/"); n > 0 {
			t.Errorf("%d requests for single orders", n)
		}
	})
}

func TestReplayGivesUpWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI()
		api.life = func(int) []string { return []string{statusMatched} }
		r, err := Drive(t.Context(), replayOn(api, 30))
		if err != nil || r.Total.Unfinished != 20 || r.Total.Matched != 20 || time.Duration(r.Took) != 6*time.Minute {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

func TestReplaySurvivesARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI()
		begin := time.Now()
		lost := 0
		api.stop = func(w http.ResponseWriter, req *http.Request) bool {
			at := time.Since(begin)
			if at < 20*time.Second || at > 40*time.Second {
				return false
			}
			if req.URL.Path == "/v1/orders" && req.Method == http.MethodPost {
				if lost++; lost == 1 { // done, but the answer never arrives
					api.mux.ServeHTTP(discard{}, req)
				}
			}
			panic(http.ErrAbortHandler)
		}
		o := replayOn(api, 300)
		o.Client = NewClient("http://fake", dropping{inMemory{api}})
		r, err := Drive(t.Context(), o)
		if err != nil || r.Total.Accepted != 200 || r.Total.Confirmed != 200 || r.Trips != 100 || r.Retried["unreachable"] == 0 {
			t.Errorf("%+v, %v", r, err)
		}
		if lost == 0 || len(api.orders) != 200 || len(api.trips) != 100 {
			t.Errorf("%d orders lost; %d orders and %d trips for 200 and 100", lost, len(api.orders), len(api.trips))
		}
	})
}

// dropping turns a handler's abort into the transport's error.
type dropping struct{ http.RoundTripper }

func (d dropping) RoundTrip(req *http.Request) (res *http.Response, err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("connection reset")
		}
	}()
	return d.RoundTripper.RoundTrip(req)
}

// discard is a response that nobody reads.
type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) WriteHeader(int)             {}

func TestReplayStops(t *testing.T) {
	down := errors.New("down")
	for name, c := range map[string]struct {
		change func(*fakeAPI, *Load)
		want   string
		within time.Duration
	}{
		"no tokens": {func(_ *fakeAPI, o *Load) {
			o.Tokens = func(context.Context, string, int) ([]string, error) { return nil, down }
		}, "sim: tokens of operators: down", 0},
		"nobody": {func(_ *fakeAPI, o *Load) {
			o.Tokens = func(_ context.Context, role string, _ int) ([]string, error) {
				return map[string][]string{"operator": {"operator 0"}}[role], nil
			}
		}, "sim: no drivers", 0},
		"no server": {func(api *fakeAPI, _ *Load) {
			api.stop = func(w http.ResponseWriter, _ *http.Request) bool { refuse(w, 503, "down"); return true }
		}, "sim: the server cannot be used: server answered 503 down: because", pollPatience},
		"operator turned away later": {func(api *fakeAPI, _ *Load) {
			api.stop = func(w http.ResponseWriter, req *http.Request) bool {
				no := whose(req) == "operator 0" && len(api.requests) > 1
				if no {
					refuse(w, 403, "operators_only")
				}
				return no
			}
		}, "sim: following the orders: server answered 403 operators_only: because", 20 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api := newFakeAPI()
				o := replayOn(api, 30)
				c.change(api, &o)
				begin := time.Now()
				_, err := Drive(t.Context(), o)
				if err == nil || err.Error() != c.want {
					t.Errorf("got %v", err)
				}
				if took := time.Since(begin); took > c.within {
					t.Errorf("took %v", took)
				}
			})
		})
	}
}

func TestReplayObeysItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		r, err := Drive(ctx, replayOn(newFakeAPI(), 300))
		if !errors.Is(err, context.DeadlineExceeded) || time.Duration(r.Took) != 30*time.Second {
			t.Errorf("%v after %v", err, r.Took)
		}
		f := r.Total
		if f.Accepted == 0 || len(f.Refused) > 0 || f.Accepted != f.Confirmed+f.Unfinished {
			t.Errorf("got %+v", f)
		}
	})
}

func TestDriveOfNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, err := Drive(t.Context(), replayOn(newFakeAPI(), 0))
		if err != nil || r.Total.Accepted != 0 || r.Knee != nil {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

func TestProgressIsSaidInLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		l := replayOn(newFakeAPI(), 300)
		l.Progress = &out
		if _, err := Drive(t.Context(), l); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
		between(t, "lines", len(lines), 11, 14)
		for i, want := range map[int]string{0: "   5s up to 4.167/s: sent 0", 6: "  35s step 1/1, 4.167/s: sent "} {
			if !strings.HasPrefix(lines[i], want) {
				t.Errorf("line %d: %q", i, lines[i])
			}
		}
	})
}
