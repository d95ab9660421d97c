// Package mishap makes calls to somebody outside go wrong on purpose, for trials.
package mishap

import (
	"math/rand/v2"
	"sync"
)

// Lot decides by lot which calls go wrong. A nil Lot lets all of them go well. It is
// safe for concurrent use.
type Lot struct {
	mu        sync.Mutex
	rng       *rand.Rand
	out, lost float64
}

// New returns a Lot by which outage percent of the calls are not made, and of another
// lost percent the answer is lost. The same seed gives the same sequence.
func New(seed int, outage, lost float64) *Lot {
	return &Lot{rng: rand.New(rand.NewPCG(uint64(seed), 0x107)), out: outage / 100, lost: lost / 100}
}

// Call makes a call and returns its error. When it goes wrong, Call returns failure:
// without having made it, or after it was made, whatever came of it.
func (l *Lot) Call(failure error, call func() error) error {
	out, lost := l.draw()
	if out {
		return failure
	}
	if err := call(); !lost {
		return err
	}
	return failure
}

func (l *Lot) draw() (out, lost bool) {
	if l == nil {
		return false, false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	at := l.rng.Float64()
	return at < l.out, at >= l.out && at < l.out+l.lost
}
