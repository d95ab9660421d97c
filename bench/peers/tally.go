package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
)

// place says which job of which group a job is.
type place struct {
	Group int `json:"group"`
	Index int `json:"index"`
}

// tally counts how often every job of a run was handled.
type tally struct {
	kind   string
	groups []group
	early  atomic.Pointer[place] // a job that ran before its turn
}

type group struct {
	runs []atomic.Uint32
	n    atomic.Int64
	full chan struct{} // closed when as many runs as jobs were counted
}

func newTally(c Case) *tally {
	t := &tally{kind: c.Kind, groups: make([]group, c.Groups)}
	for i := range t.groups {
		t.groups[i].runs = make([]atomic.Uint32, c.Size)
		t.groups[i].full = make(chan struct{})
	}
	return t
}

// ran counts a run of a job. Handlers call it first.
func (t *tally) ran(p place) {
	g := &t.groups[p.Group]
	g.runs[p.Index].Add(1)
	n := int(g.n.Add(1))
	if n <= t.before(p.Index, len(g.runs)) {
		t.early.Store(&p)
	}
	if n == len(g.runs) {
		close(g.full)
	}
}

// before returns how many jobs of its group must have run before a job.
func (t *tally) before(index, size int) int {
	if t.kind == chain || t.kind == batch && index == size-1 {
		return index
	}
	return 0
}

// await waits until all jobs of a group have run.
func (t *tally) await(ctx context.Context, i int) error {
	g := &t.groups[i]
	select {
	case <-g.full:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("group %d: %d of %d jobs ran: %w", i, g.n.Load(), len(g.runs), ctx.Err())
	}
}

// check fails unless every job ran exactly once and in its turn. The workers
// must have stopped.
func (t *tally) check() error {
	var errs []error
	if p := t.early.Load(); p != nil {
		errs = append(errs, fmt.Errorf("job %d of group %d ran before its turn", p.Index, p.Group))
	}
	wrong := 0
	for i := range t.groups {
		for j := range t.groups[i].runs {
			if n := t.groups[i].runs[j].Load(); n != 1 {
				if wrong++; wrong <= 3 {
					errs = append(errs, fmt.Errorf("job %d of group %d ran %d times", j, i, n))
				}
			}
		}
	}
	if wrong > 3 {
		errs = append(errs, fmt.Errorf("%d jobs in all did not run exactly once", wrong))
	}
	return errors.Join(errs...)
}
