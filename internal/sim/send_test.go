package sim

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spotpool/spotpool/internal/clock"
)

// stalling lets no request through in a span after its beginning.
type stalling struct {
	http.RoundTripper
	begin    time.Time
	from, to time.Duration
}

func (s stalling) RoundTrip(req *http.Request) (*http.Response, error) {
	if at := time.Since(s.begin); at >= s.from && at < s.to {
		if err := pause(req.Context(), s.to-at); err != nil {
			return nil, err
		}
	}
	return s.RoundTripper.RoundTrip(req)
}

// A server that stalls for ten of a hundred seconds makes a tenth of the orders
// wait, five seconds on average. A closed loop would have sent few meanwhile.
func TestAStallCountsFromTheMomentOrdersWereDue(t *testing.T) {
	for name, c := range map[string]struct {
		inFlight int
		held     bool
	}{"with room in flight": {1000, false}, "with little": {5, true}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api := newFakeAPI()
				l := loadOn(api, CityLoad{Seed: 1, Rates: []float64{20}, Hold: 100 * time.Second}.Plan())
				l.InFlight = c.inFlight
				l.Client = NewClient("http://fake", stalling{inMemory{api}, time.Now(), 30 * time.Second, 39900 * time.Millisecond})
				r, err := Drive(t.Context(), l)
				if err != nil {
					t.Fatal(err)
				}
				f := r.Steps[0]
				between(t, "orders", f.Accepted, 1800, 2200)
				if f.Accept.P50 > Seconds(time.Millisecond) || f.Accept.P90 > Seconds(2*time.Second) {
					t.Errorf("most orders are accepted at once, not within %v, %v", f.Accept.P50, f.Accept.P90)
				}
				near(t, "p99", f.Accept.P99, 9*time.Second)
				near(t, "max", f.Accept.Max, 9900*time.Millisecond)
				if f.Carried || r.Knee != nil {
					t.Error("it was carried")
				}
				if c.held != (len(r.Warnings) == 1 && strings.Contains(r.Warnings[0], "5 requests were in flight")) ||
					c.held != (f.Generator.Lag.P99 > Seconds(8*time.Second)) || c.held != (f.Generator.Held > 50) {
					t.Errorf("lag %+v, held %d, warnings %q", f.Generator.Lag, f.Generator.Held, r.Warnings)
				}
			})
		})
	}
}

// tardy is a clock on which each request is sent late: time passes while the
// generator looks at it.
type tardy struct {
	clock.Clock
	late time.Duration
}

func (c tardy) Now() time.Time {
	_ = pause(context.Background(), c.late)
	return c.Clock.Now()
}

func TestASlowGeneratorIsWarnedOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := loadOn(newFakeAPI(), CityLoad{Seed: 1, Rates: []float64{2}, Hold: time.Minute}.Plan())
		l.Clock = tardy{clock.System{}, 50 * time.Millisecond}
		begin := time.Now()
		l.CPU, l.Cores = func() time.Duration { return 2 * time.Since(begin) }, 2
		r, err := Drive(t.Context(), l)
		if err != nil || len(r.Warnings) != 2 || !strings.Contains(r.Warnings[0], "at 2/s the generator is the bottleneck") ||
			!strings.Contains(r.Warnings[1], "used 2.0 of 2 cores") {
			t.Errorf("%v, %q", err, r.Warnings)
		}
	})
}
