package clock

import (
	"math"
	"time"
)

// Fast is a clock that runs Rate times as fast as the wall's, and was at App when that
// was at Wall. All who know these three agree, as far as their walls' clocks do. Its
// values can be compared.
type Fast struct {
	Wall, App time.Time // in UTC, in whole microseconds
	Rate      float64   // at least 1
}

// Now implements Clock.
func (f Fast) Now() time.Time { return f.At(time.Now()) }

// Speed implements Clock.
func (f Fast) Speed() float64 { return f.Rate }

// At returns what the clock shows when the wall's shows the given time. It reckons in
// microseconds, since a few weeks at great speed have too many nanoseconds.
func (f Fast) At(wall time.Time) time.Time {
	passed := float64(wall.UnixMicro() - f.Wall.UnixMicro())
	return time.UnixMicro(f.App.UnixMicro() + int64(passed*f.Rate)).UTC()
}

// Wall returns how long a clock's d takes by the wall's: what a timer, or anything else
// that knows only the wall's time, is to be told. A d above zero is never cut to none.
func Wall(c Clock, d time.Duration) time.Duration { return scaled(d, 1/c.Speed()) }

// App returns how far a clock goes on in d of the wall's: for what takes its time
// whatever the clock says, such as a way through the network or a person's typing.
func App(c Clock, d time.Duration) time.Duration { return scaled(d, c.Speed()) }

// scaled rounds away from zero and stays within what a duration can say.
func scaled(d time.Duration, by float64) time.Duration {
	x := float64(d) * by
	switch {
	case by == 1:
		return d
	case x >= math.MaxInt64:
		return math.MaxInt64
	case x <= math.MinInt64:
		return math.MinInt64
	case x < 0:
		return time.Duration(math.Floor(x))
	}
	return time.Duration(math.Ceil(x))
}
