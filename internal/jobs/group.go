package jobs

import (
	"sync"
	"time"
)

// grouper carries out calls of one sort together: those that come while the
// calls before them are carried out form the next group. A call that comes alone
// goes alone and at once, so that grouping costs an idle system nothing. In a busy
// one, a group waits for a moment to become larger.
type grouper[T any] struct {
	most   int
	linger time.Duration
	do     func([]T)
	wg     sync.WaitGroup

	mu      sync.Mutex
	call    *sync.Cond // a call waits, or there will be none
	waiting []T
	closed  bool
}

// busyGroup is how many calls a group has when the next one waits to become larger.
const busyGroup = 8

// newGrouper starts workers that carry out groups of up to most calls with do.
func newGrouper[T any](workers, most int, linger time.Duration, do func([]T)) *grouper[T] {
	g := &grouper[T]{most: most, linger: linger, do: do}
	g.call = sync.NewCond(&g.mu)
	for range workers {
		g.wg.Go(g.work)
	}
	return g
}

func (g *grouper[T]) work() {
	for group := g.next(); group != nil; group = g.next() {
		g.do(group)
		if g.linger > 0 && len(group) >= busyGroup && len(group) < g.most {
			time.Sleep(g.linger)
		}
	}
}

// next waits for calls and returns those that wait, nil when there will be none.
func (g *grouper[T]) next() []T {
	g.mu.Lock()
	defer g.mu.Unlock()
	for len(g.waiting) == 0 {
		if g.closed {
			return nil
		}
		g.call.Wait()
	}
	n := min(g.most, len(g.waiting))
	group := g.waiting[:n:n]
	if g.waiting = g.waiting[n:]; len(g.waiting) == 0 {
		g.waiting = nil
	}
	return group
}

// add hands a call over and reports false when the grouper is closed.
func (g *grouper[T]) add(call T) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.waiting = append(g.waiting, call)
	g.call.Signal()
	return true
}

// addSome hands calls over, as many as there may wait at the most.
func (g *grouper[T]) addSome(most int, calls []T) {
	g.mu.Lock()
	defer g.mu.Unlock()
	calls = calls[:max(0, min(len(calls), most-len(g.waiting)))]
	if g.closed || len(calls) == 0 {
		return
	}
	g.waiting = append(g.waiting, calls...)
	g.call.Broadcast()
}

// drop forgets the calls that wait.
func (g *grouper[T]) drop() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting = nil
}

// close ends the workers once they have carried out the calls that wait.
func (g *grouper[T]) close() {
	g.mu.Lock()
	g.closed = true
	g.call.Broadcast()
	g.mu.Unlock()
	g.wg.Wait()
}
