package jobs

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Stage is one step of a flow: a Job, or a BatchOfJobs.
type Stage interface {
	stage()
	String() string
}

// Member is what a batch is made of: a Job, or a Flow, which counts as one
// member and ends when its last stage has.
type Member interface {
	member()
	name() string
}

func (Job) stage()         {}
func (BatchOfJobs) stage() {}
func (Job) member()        {}
func (Flow) member()       {}

func (j Job) name() string  { return j.kind }
func (f Flow) name() string { return "(" + f.String() + ")" }

// String returns the name of the job's kind.
func (j Job) String() string { return j.kind }

// BatchOfJobs is a stage whose members run side by side and are counted together.
type BatchOfJobs struct {
	members       []Member
	allowFailures bool
	callbacks     callbacks
}

// Batch returns a stage that ends when all of its members have.
func Batch(members ...Member) BatchOfJobs { return BatchOfJobs{members: members} }

// BatchOf is Batch for members of one type.
func BatchOf[M Member](members []M) BatchOfJobs {
	b := BatchOfJobs{members: make([]Member, len(members))}
	for i, m := range members {
		b.members[i] = m
	}
	return b
}

// AllowFailures returns the batch changed so that a failed member counts as
// finished and does not fail the flow.
func (b BatchOfJobs) AllowFailures() BatchOfJobs {
	b.allowFailures = true
	return b
}

// The callbacks of a batch are jobs: they are tried again like any other, and
// the flow does not wait for them. What they are told of the batch stands in
// Attempt.Batch, and in Attempt.Cause why a member failed.

// Then returns the batch with a job that starts once, when all members have succeeded.
func (b BatchOfJobs) Then(j Job) BatchOfJobs { return b.with(onThen, j) }

// Catch returns the batch with a job that starts once, on the first failure; in
// a batch that allows failures, on each.
func (b BatchOfJobs) Catch(j Job) BatchOfJobs { return b.with(onCatch, j) }

// Finally returns the batch with a job that starts once, when no member is
// unfinished any more, also after a failure or a cancel. A batch that never
// began starts none.
func (b BatchOfJobs) Finally(j Job) BatchOfJobs { return b.with(onFinally, j) }

// Progress returns the batch with a job that starts whenever members have
// ended. Those that end while such a job still waits share it: its run sees them all.
func (b BatchOfJobs) Progress(j Job) BatchOfJobs { return b.with(onProgress, j) }

func (b BatchOfJobs) with(on string, j Job) BatchOfJobs {
	b.callbacks = append(slices.Clone(b.callbacks), callback{on, j})
	return b
}

// String returns the names of the batch's members, "(a | b)", more than foldFrom
// equal ones in a row as "a ×200", and then its callbacks: "(a | b; then c)".
func (b BatchOfJobs) String() string {
	var names []string
	for i := 0; i < len(b.members); {
		n, name := 1, b.members[i].name()
		for i+n < len(b.members) && b.members[i+n].name() == name {
			n++
		}
		if n > foldFrom {
			names = append(names, fmt.Sprintf("%s ×%d", name, n))
		} else {
			names = append(names, slices.Repeat([]string{name}, n)...)
		}
		i += n
	}
	s := strings.Join(names, " | ")
	for _, c := range b.callbacks {
		s += "; " + c.on + " " + c.job.kind
	}
	return "(" + s + ")"
}

const foldFrom = 4

// Flow is a chain of stages, each begun when the one before it has ended, with
// an optional catch chain that undoes what was done.
type Flow struct {
	main, catch []Stage
}

// Chain returns the flow that runs the stages one after another.
func Chain(stages ...Stage) Flow { return Flow{main: stages} }

// Catch returns the flow with a chain that runs when the flow fails or is
// cancelled, once nothing of the main chain is running any more.
func (f Flow) Catch(stages ...Stage) Flow {
	f.catch = stages
	return f
}

// Check returns an error when the flow, or one nested in it, has nothing to run
// somewhere: no stage, or a batch without members. Starting it returns the same.
func (f Flow) Check() error {
	if len(f.main) == 0 {
		return errors.New("jobs: a flow needs at least one stage")
	}
	for i, stage := range slices.Concat(f.main, f.catch) {
		b, ok := stage.(BatchOfJobs)
		if ok && len(b.members) == 0 {
			return fmt.Errorf("jobs: stage %d of %q is an empty batch", i+1, f)
		}
		for _, m := range b.members {
			if nested, ok := m.(Flow); ok {
				if err := nested.Check(); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// String reads the flow as a sentence:
//
//	match:find_trip → pay:hold → (notify:send | notify:send), or else order:give_up
func (f Flow) String() string {
	s := sentence(f.main)
	if len(f.catch) > 0 {
		s += ", or else " + sentence(f.catch)
	}
	return s
}

func sentence(stages []Stage) string {
	words := make([]string, len(stages))
	for i, st := range stages {
		words[i] = st.String()
	}
	return strings.Join(words, " → ")
}
