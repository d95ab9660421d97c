package clock

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestFast(t *testing.T) {
	start := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		rate         float64
		passed, want time.Duration
	}{
		{1, time.Hour, time.Hour},
		{60, 0, 0},
		{60, time.Second, time.Minute},
		{60, -time.Second, -time.Minute}, // the machine's clock was put back
		{1.5, time.Microsecond, time.Microsecond},
		{1.5, 2 * time.Microsecond, 3 * time.Microsecond},
		{60, 999 * time.Nanosecond, 0},
		{60, 30 * 24 * time.Hour, 60 * 30 * 24 * time.Hour},
	} {
		f := Fast{Wall: start, App: start.Add(time.Hour), Rate: c.rate}
		if got := f.At(start.Add(c.passed)).Sub(f.App); got != c.want {
			t.Errorf("%s of the wall's at %g: %s, want %s", c.passed, c.rate, got, c.want)
		}
	}
	far := Fast{Wall: start, App: start, Rate: 3600}.At(start.AddDate(1, 0, 0)) // more than a time.Duration holds
	if want := start.AddDate(0, 0, 365*3600); !far.Equal(want) {
		t.Errorf("a year at 3600 ends on %s, want %s", far, want)
	}
}

func TestFastRunsByTheWallsClock(t *testing.T) {
	f := Fast{Wall: System{}.Now(), App: System{}.Now().Add(time.Hour), Rate: 100}
	before := time.Now()
	now := f.Now()
	if after := time.Now(); now.Before(f.At(before)) || now.After(f.At(after)) || now.Location() != time.UTC {
		t.Errorf("shows %s, not from %s to %s", now, f.At(before), f.At(after))
	}
}

// Whatever the speed, a clock does not go back, keeps to whole microseconds in UTC, and
// a duration that is turned into the wall's and back is at least as long, and hardly longer.
func TestFastIsMonotonic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		start := time.UnixMicro(rapid.Int64Range(0, 4e15).Draw(t, "start")).UTC()
		f := Fast{Wall: start, App: start.Add(time.Duration(rapid.Int64Range(0, 1e18).Draw(t, "ahead"))), Rate: rapid.Float64Range(1, 3600).Draw(t, "rate")}
		wall, last := start, f.At(start)
		for _, step := range rapid.SliceOf(rapid.Int64Range(0, 1e15)).Draw(t, "steps") {
			wall = wall.Add(time.Duration(step))
			now := f.At(wall)
			if now.Before(last) || now.Location() != time.UTC || now != now.Truncate(time.Microsecond) {
				t.Fatalf("%v after %v", now, last)
			}
			last = now
		}
		d := time.Duration(rapid.Int64Range(1, 1e15).Draw(t, "duration"))
		if back := App(f, Wall(f, d)); back < d || back-d > time.Duration(2*f.Rate) {
			t.Fatalf("%s became %s and that %s", d, Wall(f, d), back)
		}
	})
}

func TestDurations(t *testing.T) {
	fast := Fast{Rate: 60}
	for _, c := range []struct {
		name      string
		got, want time.Duration
	}{
		{"a minute at 60", Wall(fast, time.Minute), time.Second},
		{"a second's worth at 60", App(fast, time.Second), time.Minute},
		{"a nanosecond at 60", Wall(fast, 1), 1},
		{"overdue at 60", Wall(fast, -time.Minute), -time.Second},
		{"none at 60", Wall(fast, 0), 0},
		{"for ever at 60", App(fast, math.MaxInt64/2), math.MaxInt64},
		{"long ago at 60", App(fast, math.MinInt64/2), math.MinInt64},
		{"of the system's", Wall(System{}, math.MaxInt64-1), math.MaxInt64 - 1},
		{"for the system's", App(System{}, math.MaxInt64-1), math.MaxInt64 - 1},
	} {
		if c.got != c.want {
			t.Errorf("%s: %s, want %s", c.name, c.got, c.want)
		}
	}
}
