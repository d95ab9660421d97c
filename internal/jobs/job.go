package jobs

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// Kind describes one sort of job: what it is called, the arguments it takes and
// how it is run. A feature declares a Kind once, offers a constructor that makes
// jobs of it, and attaches a handler with Handle.
type Kind[A any] struct {
	Name    string        // "feature:verb", the type asynqmon shows
	Queue   string        // the queue it waits in
	Tries   int           // attempts until it counts as failed; releases use none
	Backoff Backoff       // the wait before each further attempt
	Timeout time.Duration // how long one attempt may take
	Sealed  bool          // encrypts the arguments at rest and masks them in asynqmon
}

// New returns a job of this kind. It panics when the arguments cannot be
// written as JSON, which is a mistake in their type.
func (k Kind[A]) New(args A) Job {
	raw, err := json.Marshal(args)
	if err != nil {
		panic(fmt.Sprintf("jobs: arguments of %s: %v", k.Name, err))
	}
	return Job{kind: k.Name, queue: k.Queue, args: raw, sealed: k.Sealed}
}

// Job is one unit of queued work that has not been started yet.
type Job struct {
	id     uuid.UUID // nil: given when the job is written
	kind   string
	queue  string
	args   json.RawMessage
	sealed bool
	delay  time.Duration
}

// Kind returns the name of the job's kind.
func (j Job) Kind() string { return j.kind }

// Args returns the job's arguments as JSON.
func (j Job) Args() json.RawMessage { return j.args }

// In returns the job put off: it becomes due d after its stage begins.
func (j Job) In(d time.Duration) Job {
	j.delay = max(d, 0)
	return j
}

// Backoff gives the wait after the n-th attempt has failed, n counting from 1.
type Backoff func(n int) time.Duration

// Fixed waits d after every failed attempt.
func Fixed(d time.Duration) Backoff {
	return func(int) time.Duration { return d }
}

// Steps waits first, then as the list says; its last entry serves all further attempts.
func Steps(first time.Duration, then ...time.Duration) Backoff {
	return func(n int) time.Duration {
		if n == 1 || len(then) == 0 {
			return first
		}
		return then[min(n-1, len(then))-1]
	}
}

// Exponential waits first after the first failure and twice as long after each
// further one, up to most.
func Exponential(first, most time.Duration) Backoff {
	return func(n int) time.Duration {
		d := first
		for ; n > 1 && d < most; n-- {
			d = min(2*d, most)
		}
		return min(d, most)
	}
}
