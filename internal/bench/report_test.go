package bench

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spotpool/spotpool/internal/match"
)

// One taxi 100 m from the first order serves it; the second would have to be elsewhere
// at once.
func TestReport(t *testing.T) {
	m := newTown(3, [][3]int{{0, 1, 100}, {1, 2, 300}})
	in := Instance{
		Name:     "tiny",
		Vehicles: []Vehicle{{ID: 1, At: m.Node(0), Seats: 2, End: match.NoLimit}},
		Orders: []Order{
			{ID: 2, From: m.Node(1), To: m.Node(2), Seats: 1, Until: time.Minute, Late: time.Hour},
			{ID: 3, From: m.Node(1), To: m.Node(0), Seats: 1, Known: time.Second, Until: time.Minute, Early: time.Second, Late: 12 * time.Second},
		},
	}
	got, err := Run(t.Context(), in, Options{Ground: m, Settings: match.Settings{Policy: match.Instant}})
	if err != nil {
		t.Fatal(err)
	}
	if got.Orders != 2 || got.Served != 1 || got.ServedShare != 0.5 || got.Base != 400 || got.Driven != 400 || got.Lost != 100 {
		t.Errorf("%+v", got)
	}
	if got.CostBase != 1.25 || got.Saved() != -0.25 || got.Wait != 10 || got.Detour != 0 {
		t.Errorf("%+v", got)
	}
	var table, raw strings.Builder
	if err := got.Table(&table); err != nil {
		t.Fatal(err)
	}
	for _, row := range []string{"served                          1  50.00 %\n", "cost/base                       1.2500\n", "mean wait                       10.0 s\n"} {
		if !strings.Contains(table.String(), row) {
			t.Errorf("no row %q in\n%s", row, &table)
		}
	}
	var back Report
	if err := got.JSON(&raw); err != nil || json.Unmarshal([]byte(raw.String()), &back) != nil || back != got {
		t.Errorf("%v, %+v\n%s", err, back, &raw)
	}
}

func TestQuantiles(t *testing.T) {
	var s stopwatch
	if s.quantile(0.5) != 0 {
		t.Error("nothing took some time")
	}
	s.share(time.Second, 0)
	for i := range 100 {
		s.share(time.Duration(100-i)*time.Second, 1)
	}
	s.share(400*time.Second, 2)
	if p50, p99, most := s.quantile(0.5), s.quantile(0.99), s.quantile(1); p50 != 51 || p99 != 100 || most != 200 {
		t.Error(p50, p99, most, slices.Max(s.orders))
	}
}
