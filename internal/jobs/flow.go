package jobs

import (
	"fmt"
	"slices"
	"strings"
)

// Stage is one step of a flow: a Job, or a BatchOfJobs.
type Stage interface {
	members() []Job
	String() string
}

func (j Job) members() []Job { return []Job{j} }

// String returns the name of the job's kind.
func (j Job) String() string { return j.kind }

// BatchOfJobs is a stage whose jobs run side by side and are counted together.
type BatchOfJobs struct {
	jobs          []Job
	allowFailures bool
}

// Batch returns a stage that ends when all of its jobs have.
func Batch(jobs ...Job) BatchOfJobs { return BatchOfJobs{jobs: jobs} }

// AllowFailures returns the batch changed so that a failed job counts as
// finished and does not fail the flow.
func (b BatchOfJobs) AllowFailures() BatchOfJobs {
	b.allowFailures = true
	return b
}

func (b BatchOfJobs) members() []Job { return b.jobs }

// String returns the kinds of the batch's jobs, "(a | b)"; more than foldFrom
// equal ones in a row as "a ×200".
func (b BatchOfJobs) String() string {
	var names []string
	for i := 0; i < len(b.jobs); {
		n := 1
		for i+n < len(b.jobs) && b.jobs[i+n].kind == b.jobs[i].kind {
			n++
		}
		if n > foldFrom {
			names = append(names, fmt.Sprintf("%s ×%d", b.jobs[i].kind, n))
		} else {
			names = append(names, slices.Repeat([]string{b.jobs[i].kind}, n)...)
		}
		i += n
	}
	return "(" + strings.Join(names, " | ") + ")"
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
