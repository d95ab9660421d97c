package sim

import (
	"context"
	"errors"
	"fmt"
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

func replayOn(api *fakeAPI, n int) Options {
	return Options{
		Client: api.client(), Tokens: names, Clock: clock.System{}, Log: quiet,
		Rides: rides(n), Over: time.Minute, Workers: 4, Wait: 5 * time.Minute,
	}
}

func TestReplayReports(t *testing.T) {
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
		r, err := Replay(t.Context(), replayOn(api, 303))
		if err != nil {
			t.Fatal(err)
		}
		if r.Trips != 100 || r.Accepted != 201 || r.Confirmed != 161 || r.Expired != 20 || r.Cancelled != 20 ||
			r.Matched != 181 || r.Unfinished != 0 {
			t.Errorf("got %+v", r)
		}
		if !maps.Equal(r.Refused, map[string]int{"rule_rider": 1}) || !maps.Equal(r.TripsRefused, map[string]int{"rule_driver": 1}) {
			t.Errorf("refused: %v, %v", r.Refused, r.TripsRefused)
		}
		if r.Latency.P50 < 950*time.Millisecond || r.Latency.P50 > 1050*time.Millisecond ||
			r.Latency.Max < 2*time.Second || r.Latency.P99 > r.Latency.Max || r.Latency.P95 > r.Latency.P99 {
			t.Errorf("latency: %+v", r.Latency)
		}
		if r.Took < time.Minute || r.Took > 70*time.Second {
			t.Errorf("took %v", r.Took)
		}
	})
}

func TestReplayOffersTripsAheadOfTheOrders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI()
		begin := time.Now()
		if _, err := Replay(t.Context(), replayOn(api, 300)); err != nil {
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

func TestScheduleWithoutTime(t *testing.T) {
	steps := schedule(rides(9), 0)
	for i, s := range steps {
		if s.due != 0 || s.ride.Driver != (i < 3) {
			t.Errorf("step %d: %+v", i, s)
		}
	}
	if steps := schedule(nil, time.Minute); len(steps) != 0 {
		t.Errorf("steps of nothing: %v", steps)
	}
}

func TestReplayIsFrugal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI()
		api.life = func(n int) []string {
			if n == 5000 {
				return nil // for ever matching, on the last page of ours
			}
			return []string{statusConfirmed}
		}
		for range 5000 { // others ordered before
			api.orders = append(api.orders, &fakeOrder{Order: Order{ID: uuid.New(), Status: statusMatching}})
		}
		o := replayOn(api, 1500)
		o.Over, o.Wait = 0, 100*time.Second
		r, err := Replay(t.Context(), o)
		if err != nil || r.Unfinished != 1 || r.Confirmed != 999 {
			t.Fatal(r, err)
		}
		between(t, "pages read", api.count("GET /v1/orders operator"), 6, 8) // the probe, and one look at all
		between(t, "looks at the last", api.count("GET /v1/orders/"), 95, 100)
	})
}

func TestReplayGivesUpWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI()
		api.life = func(int) []string { return []string{statusMatched} }
		r, err := Replay(t.Context(), replayOn(api, 30))
		if err != nil || r.Unfinished != 20 || r.Matched != 20 || r.Took != 6*time.Minute {
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
		r, err := Replay(t.Context(), o)
		if err != nil || r.Accepted != 200 || r.Confirmed != 200 || r.Trips != 100 {
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
		change func(*fakeAPI, *Options)
		want   string
		within time.Duration
	}{
		"no tokens": {func(_ *fakeAPI, o *Options) {
			o.Tokens = func(context.Context, string, int) ([]string, error) { return nil, down }
		}, "sim: tokens of operators: down", 0},
		"too few tokens": {func(_ *fakeAPI, o *Options) {
			o.Tokens = func(ctx context.Context, role string, _ int) ([]string, error) { return names(ctx, role, 1) }
		}, "sim: 1 tokens of drivers, wanted 10", 0},
		"no server": {func(api *fakeAPI, _ *Options) {
			api.stop = func(w http.ResponseWriter, _ *http.Request) bool { refuse(w, 503, "down"); return true }
		}, "sim: the server cannot be used: server answered 503 down: because", pollPatience},
		"operator turned away later": {func(api *fakeAPI, _ *Options) {
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
				_, err := Replay(t.Context(), o)
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
		r, err := Replay(ctx, replayOn(newFakeAPI(), 300))
		if !errors.Is(err, context.DeadlineExceeded) || r.Took != 30*time.Second {
			t.Errorf("%v after %v", err, r.Took)
		}
		if r.Accepted == 0 || len(r.Refused) > 0 || r.Accepted != r.Confirmed+r.Unfinished {
			t.Errorf("got %+v", r)
		}
	})
}

func TestReplayOfNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, err := Replay(t.Context(), replayOn(newFakeAPI(), 0))
		if err != nil || r.Accepted != 0 {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

func TestTallyCountsAnOrderOnce(t *testing.T) {
	tally := newTally()
	o := Order{ID: uuid.New(), Status: statusMatching, CreatedAt: noon}
	if tally.saw(o) {
		t.Error("ended before it was placed")
	}
	tally.placed(o, nil)
	for _, step := range []struct {
		status string
		ended  bool
	}{{statusMatching, false}, {statusMatched, false}, {"unheard_of", false}, {statusOnboard, true}, {statusCompleted, false}} {
		o.Status = step.status
		if ended := tally.saw(o); ended != step.ended {
			t.Errorf("%s: ended %v", step.status, ended)
		}
	}
	r := tally.result(0)
	if r.Accepted != 1 || r.Matched != 1 || r.Confirmed != 1 || r.Unfinished != 0 || r.Latency.Max != 0 {
		t.Errorf("got %+v", r)
	}
}

func TestTable(t *testing.T) {
	var w strings.Builder
	err := Report{
		Trips: 600, TripsRefused: map[string]int{"depart_at_in_the_past": 2},
		Accepted: 1000, Refused: map[string]int{"too_many_orders": 3, "seats_out_of_range": 1},
		Matched: 905, Confirmed: 900, Expired: 90, Cancelled: 5, Unfinished: 5,
		Latency: Latency{250 * time.Millisecond, time.Second, 1500 * time.Millisecond, 2 * time.Second},
		Took:    75 * time.Second,
	}.Table(&w)
	want := `
trips offered                         600
trips refused, depart_at_in_the_past  2
orders accepted                       1000
orders refused, seats_out_of_range    1
orders refused, too_many_orders       3
  matched                             905  90.5 %
  confirmed                           900  90.0 %
  expired                             90   9.0 %
  cancelled                           5    0.5 %
  unfinished                          5    0.5 %
accept to confirm p50                 0.250 s
accept to confirm p95                 1.000 s
accept to confirm p99                 1.500 s
accept to confirm max                 2.000 s
took                                  75.0 s
`
	if got := "\n" + w.String(); err != nil || got != want {
		t.Errorf("%v%s", err, got)
	}
	w.Reset()
	if err := (Report{}).Table(&w); err != nil || !strings.Contains(w.String(), "0.0 %") {
		t.Error(fmt.Sprint(err, w.String()))
	}
}
