package main

import (
	"os"
	"testing"
	"time"

	"github.com/spotpool/spotpool/internal/jobs/jobstest"
	"github.com/spotpool/spotpool/internal/sim"
)

// Orders are decided by the window, by any of several processes; taxis take them as
// other trips do.
func TestOrdersAreDecidedTogether(t *testing.T) {
	for name, how := range map[string][]string{
		"windowed":               {"--match-policy", "windowed", "--match-window", "500ms"},
		"best, until departure":  {"--match-policy", "best", "--match-window", "500ms", "--match-lock", "pickup"},
		"best, until it is told": {"--match-policy", "best", "--match-window", "500ms"},
	} {
		t.Run(name, func(t *testing.T) {
			const orders, cars, taxis = 100, 15, 15
			at := append(append(where(t), how...), "--redis", redisURL(jobstest.Redis(t)))
			run := []string{"serve"}
			if os.Getenv("SPOTPOOL_TEST_MYSQL") != "" {
				if code, _, errs := command(t, append([]string{"migrate"}, at...)...); code != exitOK {
					t.Fatal(errs)
				}
				run = []string{"api"}
				for range 2 {
					launch(t, append([]string{"work"}, at...)...)
				}
			}
			p := launch(t, append(run, at...)...)
			drivers := crowd(t, at, p.base, "driver", cars+taxis)
			offerAll(t, drivers[:cars])
			place(t, crowd(t, at, p.base, "rider", orders), func(n int) {
				if n > orders-taxis {
					offerTaxi(t, drivers[n-orders+cars+taxis-1], n)
				}
			})
			operator := sim.NewClient(p.base, nil).As(token(t, at, "operator", "+8613900000000"))
			if got := awaitEnd(t, operator, orders); got["confirmed"] != orders {
				t.Errorf("%v; there is a seat for each", got)
			}
			audit(t, at)
		})
	}
}

// offerTaxi offers four seats from where the street begins to anywhere.
func offerTaxi(t testing.TB, c sim.Client, n int) {
	t.Helper()
	_, err := c.OfferTrip(t.Context(), sim.TripOffer{Origin: street(121.47, n), DepartAt: time.Now().Add(8 * time.Minute), Seats: 4})
	if err != nil {
		t.Error(err)
	}
}
