package tempo

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/db/dbtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var monday = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

// must is open without an error, at a time of the wall's.
func must(t testing.TB, d *db.DB, ask Ask, wall *clock.Fake) *Tempo {
	t.Helper()
	c, err := open(t.Context(), d, ask, wall)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// at is what a clock shows when the wall's shows the given time.
func at(c clock.Clock, wall time.Time) time.Time {
	if f, ok := c.(clock.Fast); ok {
		return f.At(wall)
	}
	return wall
}

func rows(t testing.TB, d *db.DB) (n int64) {
	t.Helper()
	if err := d.Read(context.Background()).Table("tempo").Count(&n).Error; err != nil {
		t.Fatal(err)
	}
	return n
}

func TestAnUsualDatabaseHasTheSystemsClockAndNoRow(t *testing.T) {
	d, wall := dbtest.Open(t), clock.NewFake(monday)
	for _, ask := range []Ask{{}, {Speed: 1}, {Change: true}, {Speed: 1, Change: true}} {
		if c := must(t, d, ask, wall); c.Clock != (clock.System{}) || c.Speed() != 1 {
			t.Errorf("%+v: %+v", ask, c.Clock)
		}
	}
	if n := rows(t, d); n != 0 {
		t.Errorf("%d rows", n)
	}
}

func TestSpeedIsChangedByWhoMay(t *testing.T) {
	type step struct {
		ask     Ask
		later   time.Duration // of the wall's, before
		speed   float64       // 0: refused
		ahead   time.Duration // of the wall's then
		noClock bool          // the row is gone
	}
	run, change := Ask{}, Ask{Change: true}
	with := func(ask Ask, speed float64) Ask { ask.Speed = speed; return ask }
	for name, steps := range map[string][]step{
		"who may not change it, cannot begin it": {{ask: with(run, 60)}, {ask: run, speed: 1}},
		"all have what one has begun": {
			{ask: with(change, 60), speed: 60}, {ask: run, later: time.Second, speed: 60, ahead: 59 * time.Second},
			{ask: with(run, 60), speed: 60, ahead: 59 * time.Second}, {ask: change, speed: 60, ahead: 59 * time.Second},
			{ask: with(run, 1)}, {ask: with(run, 20)}, {ask: run, speed: 60, ahead: 59 * time.Second},
		},
		"another speed goes on from there": {
			{ask: with(change, 60), speed: 60}, {ask: with(change, 20), later: 10 * time.Second, speed: 20, ahead: 590 * time.Second},
			{ask: run, later: time.Second, speed: 20, ahead: 609 * time.Second},
		},
		"time stands still while nobody runs": {
			{ask: with(change, 60), speed: 60},
			{ask: run, later: time.Hour, speed: 60}, // 15 minutes have passed, the wall is ahead
			{ask: run, later: 10 * time.Second, speed: 60, ahead: 590 * time.Second},
			{ask: run, later: 20 * time.Second, speed: 60, ahead: (590 + 15*60 - 20) * time.Second},
		},
		"the wall's speed, but its time only once that has come": {
			{ask: with(change, 60), speed: 60}, {ask: with(change, 1), later: 10 * time.Second, speed: 1, ahead: 590 * time.Second},
			{ask: run, later: 10 * time.Second, speed: 1, ahead: 590 * time.Second},
			{ask: run, later: 600 * time.Second, speed: 1, ahead: 5 * time.Second},
			{ask: run, later: time.Minute, speed: 1, noClock: true}, {ask: run, speed: 1, noClock: true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			d, wall := dbtest.Open(t), clock.NewFake(monday)
			for i, s := range steps {
				wall.Advance(s.later)
				c, err := open(t.Context(), d, s.ask, wall)
				if s.speed == 0 {
					if !errors.Is(err, ErrOtherSpeed) {
						t.Errorf("step %d: %v, want ErrOtherSpeed", i, err)
					}
					continue
				}
				if err != nil {
					t.Fatalf("step %d: %v", i, err)
				}
				if ahead := at(c.Clock, wall.Now()).Sub(wall.Now()); c.Speed() != s.speed || ahead != s.ahead {
					t.Errorf("step %d: runs %g× and is %s ahead, want %g× and %s", i, c.Speed(), ahead, s.speed, s.ahead)
				}
				if s.noClock && rows(t, d) != 0 {
					t.Errorf("step %d: a row is left", i)
				}
			}
		})
	}
}

// Whatever processes start with, keep and leave: none of them sees the time go back, nor
// behind the wall's, and those that run agree.
func TestTimeNeverGoesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var kept *row // in the database
		now, last := monday, monday
		running := []clock.Clock{}
		t.Repeat(map[string]func(*rapid.T){
			"start": func(t *rapid.T) {
				speed := rapid.SampledFrom([]float64{0, 0, 1, 2.5, 60, 3600}).Draw(t, "speed")
				next, err := Ask{Speed: speed, Change: rapid.Bool().Draw(t, "may change")}.next(kept, now)
				if err != nil && !errors.Is(err, ErrOtherSpeed) {
					t.Fatal(err)
				}
				if err == nil {
					kept = next
					running = append(running, next.clock())
				}
			},
			"stop all": func(*rapid.T) { running = nil },
			"pass": func(t *rapid.T) { // those that run say so in time, and end when they learn of a change
				running = slices.DeleteFunc(running, func(c clock.Clock) bool { return c != kept.clock() })
				most := int64(time.Hour)
				if len(running) > 0 {
					most = int64(idle)
					if kept != nil {
						kept.SeenAt = now
					}
				}
				now = now.Add(time.Duration(rapid.Int64Range(0, most/1000).Draw(t, "µs")) * time.Microsecond)
			},
			"": func(t *rapid.T) {
				for _, c := range running {
					if c != kept.clock() {
						continue // it learns of the change at its next beat
					}
					app := at(c, now)
					if app.Before(last) || app.Before(now) {
						t.Fatalf("%s after %s, at %s of the wall's", app, last, now)
					}
					last = app
				}
			},
		})
	})
}

// Many that start at once have one clock.
func TestOneClockForAllWhoStartAtOnce(t *testing.T) {
	d, wall := dbtest.Open(t), clock.NewFake(monday)
	clocks := make([]*Tempo, 8)
	gate := make(chan struct{})
	var all sync.WaitGroup
	for i := range clocks {
		all.Go(func() {
			<-gate
			var err error
			if clocks[i], err = open(t.Context(), d, Ask{Speed: 60, Change: true}, wall); err != nil {
				t.Error(err)
			}
		})
	}
	close(gate)
	all.Wait()
	for _, c := range clocks {
		if c == nil || c.Clock != clocks[0].Clock || c.Speed() != 60 {
			t.Fatalf("clocks differ: %+v and %+v", c, clocks[0])
		}
	}
}

// A process whose clock is changed under it is told so, whichever clock it had.
func TestKeepEndsWhenTheClockIsAnother(t *testing.T) {
	for name, c := range map[string]struct{ was, becomes float64 }{
		"from the wall's": {1, 60}, "to the wall's": {60, 1}, "to another speed": {60, 20},
	} {
		t.Run(name, func(t *testing.T) {
			d, wall := dbtest.Open(t), clock.NewFake(monday)
			mine := must(t, d, Ask{Speed: c.was, Change: true}, wall)
			for range 3 {
				wall.Advance(time.Second)
				if same, err := mine.touch(t.Context(), wall.Now()); err != nil || !same {
					t.Fatalf("its own clock: same %v, %v", same, err)
				}
			}
			ended := make(chan error, 1)
			go func() { ended <- mine.keep(t.Context(), slog.New(slog.DiscardHandler), wall, time.Millisecond) }()
			must(t, d, Ask{Speed: c.becomes, Change: true}, wall)
			select {
			case err := <-ended:
				if err == nil {
					t.Error("ended without a reason")
				}
			case <-time.After(time.Minute):
				t.Error("was not told")
			}
		})
	}
}

// A process that runs keeps the time going, however long it runs.
func TestTimeGoesOnWhileOneRuns(t *testing.T) {
	d, wall := dbtest.Open(t), clock.NewFake(monday)
	mine := must(t, d, Ask{Speed: 60, Change: true}, wall)
	for range 30 {
		wall.Advance(10 * time.Second)
		if same, err := mine.touch(t.Context(), wall.Now()); err != nil || !same {
			t.Fatalf("same %v, %v", same, err)
		}
	}
	wall.Advance(idle)
	if other := must(t, d, Ask{}, wall); other.Clock != mine.Clock {
		t.Errorf("%+v, want %+v", other.Clock, mine.Clock)
	}
}
