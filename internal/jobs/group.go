package jobs

import "sync"

// grouper carries out calls of one sort together: those that come while the
// calls before them are carried out form the next group. A call that comes alone
// goes alone and at once, so that grouping costs an idle system nothing.
type grouper[T any] struct {
	most int // calls of a group
	do   func([]T)
	wg   sync.WaitGroup

	mu      sync.Mutex
	call    *sync.Cond // a call waits, or there will be none
	waiting []T
	closed  bool
}

// newGrouper starts workers that carry out groups of up to most calls with do.
func newGrouper[T any](workers, most int, do func([]T)) *grouper[T] {
	g := &grouper[T]{most: most, do: do}
	g.call = sync.NewCond(&g.mu)
	for range workers {
		g.wg.Go(g.work)
	}
	return g
}

func (g *grouper[T]) work() {
	for group := g.next(); group != nil; group = g.next() {
		g.do(group)
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

// drop forgets the calls that wait and returns them.
func (g *grouper[T]) drop() (waiting []T) {
	g.mu.Lock()
	defer g.mu.Unlock()
	waiting, g.waiting = g.waiting, nil
	return waiting
}

// close ends the workers once they have carried out the calls that wait.
func (g *grouper[T]) close() {
	g.mu.Lock()
	g.closed = true
	g.call.Broadcast()
	g.mu.Unlock()
	g.wg.Wait()
}
