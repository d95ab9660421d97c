package bench

import (
	"bytes"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/spotpool/spotpool/internal/match"
)

// What the engine decides on a random instance, and the world carries out, breaks no
// rule, and the report counts what the judge counts.
func TestRunsKeepTheRules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := drawTown(t)
		own := rapid.Bool().Draw(t, "own destinations")
		in := drawInstance(t, m, own)
		var log bytes.Buffer
		o := Options{
			Ground: m, Log: &log, Depart: rapid.Bool().Draw(t, "depart"),
			Settings: match.Settings{
				Policy: rapid.SampledFrom([]string{match.Instant, match.Windowed, match.Best}).Draw(t, "policy"),
				Window: time.Duration(rapid.IntRange(1, 30).Draw(t, "window")) * time.Second,
				Hold:   time.Duration(rapid.IntRange(0, 1).Draw(t, "hold")) * 20 * time.Second,
				Late:   rapid.Bool().Draw(t, "late"),
				Lock:   rapid.SampledFrom([]match.Lock{match.LockAtPickup, match.LockWhenTold}).Draw(t, "lock"),
				Moves:  20,
			},
		}
		got, err := Run(t.Context(), in, o)
		if err != nil {
			t.Fatal(err)
		}
		v := judge(m, in, log.Bytes())
		if len(v.broken) > 0 {
			t.Fatalf("%v\n%s", v.broken, &log)
		}
		near := func(a, b float64) bool { return a-b < 1e-6 && b-a < 1e-6 }
		n := float64(max(v.served, 1))
		if got.Served != v.served || !near(got.Wait, v.wait/n) || !near(got.Detour, v.detour/n) || !own && !near(got.Driven, float64(v.driven)) {
			t.Fatalf("reported %+v, judged %+v\n%s", got, v, &log)
		}
	})
}
