package clock

import (
	"sync"
	"testing"
	"time"
)

func TestSystemTellsWholeMicrosecondsInUTC(t *testing.T) {
	before := time.Now().Truncate(time.Microsecond)
	now := System{}.Now()
	if now.Location() != time.UTC || !now.Equal(now.Truncate(time.Microsecond)) {
		t.Errorf("%v has another zone or finer parts", now)
	}
	if now.Before(before) || now.After(time.Now()) {
		t.Errorf("%v is not now", now)
	}
}

func TestFakeMovesOnlyWhenTold(t *testing.T) {
	zone := time.FixedZone("east", 8*60*60)
	f := NewFake(time.Date(2026, 5, 1, 8, 0, 0, 1999, zone))
	start := time.Date(2026, 5, 1, 0, 0, 0, 1000, time.UTC)
	if got := f.Now(); got != start { // compares the location too
		t.Errorf("stands at %v, want %v", got, start)
	}
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() { f.Advance(time.Minute); _ = f.Now() })
	}
	all.Wait()
	if got, want := f.Now(), start.Add(10*time.Minute); got != want {
		t.Errorf("stands at %v, want %v", got, want)
	}
}
