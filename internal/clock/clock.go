// Package clock injects the time, so that rules about time can be tested.
package clock

import (
	"sync"
	"time"
)

// Clock tells the application's time in UTC, in whole microseconds, which both databases
// store exactly, and how many times as fast as the wall's it runs.
type Clock interface {
	Now() time.Time
	Speed() float64
}

// System is the machine's clock.
type System struct{}

// Now implements Clock.
func (System) Now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

// Speed implements Clock.
func (System) Speed() float64 { return 1 }

// Fake is a clock that moves only when told to.
type Fake struct {
	mu  sync.Mutex
	now time.Time
}

// NewFake returns a fake clock that stands at t.
func NewFake(t time.Time) *Fake { return &Fake{now: t.UTC().Truncate(time.Microsecond)} }

// Now implements Clock.
func (f *Fake) Now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

// Speed implements Clock: what waits while the clock is moved waits by the wall's.
func (f *Fake) Speed() float64 { return 1 }

// Advance moves the clock forward by d.
func (f *Fake) Advance(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(d)
}
