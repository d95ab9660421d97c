package jobs

import "sync"

// grouper carries out calls of one sort together: those that come while the
// calls before them are carried out form the next group. A call that comes alone
// goes alone and at once, so that grouping costs an idle system nothing.
type grouper[T any] struct {
	in   chan T
	quit chan struct{}
	most int
	do   func([]T)
	wg   sync.WaitGroup
}

// newGrouper starts workers that carry out groups of up to most calls with do.
func newGrouper[T any](workers, most int, do func([]T)) *grouper[T] {
	g := &grouper[T]{in: make(chan T), quit: make(chan struct{}), most: most, do: do}
	for range workers {
		g.wg.Go(g.work)
	}
	return g
}

func (g *grouper[T]) work() {
	for {
		select {
		case call := <-g.in:
			g.do(g.gather(call))
		case <-g.quit:
			return
		}
	}
}

// gather returns the call with all others that wait.
func (g *grouper[T]) gather(call T) []T {
	group := []T{call}
	for len(group) < g.most {
		select {
		case call := <-g.in:
			group = append(group, call)
		default:
			return group
		}
	}
	return group
}

// add hands a call over and reports false when the grouper is closed.
func (g *grouper[T]) add(call T) bool {
	select {
	case g.in <- call:
		return true
	case <-g.quit:
		return false
	}
}

// close ends the workers after the groups they carry out.
func (g *grouper[T]) close() {
	close(g.quit)
	g.wg.Wait()
}
