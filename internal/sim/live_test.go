package sim

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spotpool/spotpool/internal/clock"
)

func liveOn(api *fakeAPI) Live {
	return Live{
		Client: api.client(), Tokens: names, City: NewCity(1), Clock: clock.System{}, Log: quiet,
		Fleet: 10, Trips: 12, Orders: 30, Cancels: 3, Drivers: 40, Riders: 100,
	}
}

// runFor runs l for d of virtual time.
func runFor(t *testing.T, l Live, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	begin := time.Now()
	if err := Run(ctx, l); err != nil {
		t.Fatal(err)
	}
	if time.Since(begin) != d {
		t.Errorf("stopped after %v, not %v", time.Since(begin), d)
	}
}

func between(t *testing.T, what string, n, low, high int) {
	t.Helper()
	if n < low || n > high {
		t.Errorf("%d %s, want %d to %d", n, what, low, high)
	}
}

// In a minute of the wall's, twenty pass for the people of the city.
func TestAFastClockMakesPeopleQuick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI()
		l := liveOn(api)
		app := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
		l.Clock = clock.Fast{Wall: time.Now(), App: app, Rate: 20}
		runFor(t, l, time.Minute)
		between(t, "trips", len(api.trips), 10+200, 10+280)
		between(t, "orders", len(api.orders), 540, 660)
		for _, trip := range api.trips {
			if at := trip.what.DepartAt; at.Before(app) || at.After(app.Add(40*time.Minute)) {
				t.Fatalf("a trip departs at %s", at)
			}
		}
	})
}

func TestRunActsAtItsRates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI()
		runFor(t, liveOn(api), 20*time.Minute)
		between(t, "trips", len(api.trips), 10+200, 10+280)
		between(t, "orders", len(api.orders), 540, 660)
		between(t, "cancels", len(api.cancels), 40, 80)
		if quotes := api.count("POST /v1/quotes"); quotes != len(api.orders) {
			t.Errorf("%d quotes for %d orders", quotes, len(api.orders))
		}
		people := map[string]int{}
		for _, trip := range api.trips {
			if !strings.HasPrefix(trip.by, "driver ") {
				t.Fatalf("%q offers a trip", trip.by)
			}
		}
		for _, o := range api.orders {
			people[o.by]++
			if !strings.HasPrefix(o.by, "rider ") || people[o.by] > len(api.orders)/100+1 {
				t.Fatalf("%q orders for the %dth time", o.by, people[o.by])
			}
		}
	})
}

func TestRunOffersTheFleetFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI()
		l := liveOn(api)
		l.Trips, l.Orders, l.Cancels = 0, 0, 0
		runFor(t, l, time.Minute)
		if len(api.trips) != 10 || len(api.orders) != 0 {
			t.Errorf("%d trips, %d orders", len(api.trips), len(api.orders))
		}
	})
}

func TestRunSurvivesAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI()
		l := liveOn(api)
		var log strings.Builder
		l.Log = slog.New(slog.NewTextHandler(&log, nil))
		begin := time.Now()
		api.stop = func(w http.ResponseWriter, _ *http.Request) bool {
			away := time.Since(begin) > time.Minute && time.Since(begin) < 6*time.Minute
			if away {
				refuse(w, http.StatusServiceUnavailable, "starting")
			}
			return away
		}
		runFor(t, l, 11*time.Minute)
		late, tries := 0, len(api.requests)
		for _, o := range api.orders {
			if o.at.Sub(begin) > 6*time.Minute {
				late++
			}
		}
		between(t, "orders after the outage", late, 110, 190)
		between(t, "requests in all", tries, 1, 800) // it backed off
		if !strings.Contains(log.String(), "code=starting") {
			t.Error("the outage was not logged")
		}
	})
}

func TestRunTakesFreshTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI()
		l := liveOn(api)
		begin := time.Now()
		day := func() string { return time.Since(begin).Truncate(24 * time.Hour).String() }
		l.Tokens = func(_ context.Context, role string, n int) ([]string, error) {
			return []string{role + " " + day()}, nil
		}
		api.stop = func(w http.ResponseWriter, req *http.Request) bool {
			old := !strings.HasSuffix(whose(req), " "+day())
			if old {
				refuse(w, http.StatusUnauthorized, "token_expired")
			}
			return old
		}
		l.Trips, l.Orders = 0.1, 0.1
		runFor(t, l, 72*time.Hour)
		last := api.orders[len(api.orders)-1]
		if last.by != "rider 48h0m0s" {
			t.Errorf("the last order is %q's", last.by)
		}
	})
}

func TestRunNeedsTokens(t *testing.T) {
	l := liveOn(newFakeAPI())
	none := errors.New("no database")
	l.Tokens = func(context.Context, string, int) ([]string, error) { return nil, none }
	if err := Run(t.Context(), l); !errors.Is(err, none) {
		t.Errorf("got %v", err)
	}
	l.Tokens = func(context.Context, string, int) ([]string, error) { return nil, nil }
	if err := Run(t.Context(), l); err == nil {
		t.Error("it ran without people")
	}
}
