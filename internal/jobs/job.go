package jobs

import (
	"encoding/json"
	"fmt"
	"strings"
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

	// MaxExceptions is how many attempts may go wrong, where Tries or Job.Until
	// would allow more; 0 sets no such limit. An attempt whose worker died counts
	// once a later one has ended in an error.
	MaxExceptions int

	// Sealed encrypts the arguments at rest and masks them in asynqmon.
	Sealed bool

	// DeleteWhenMissing ends a job whose handler returns a fault of the kind
	// NotFound as done, with a note. Without it such a job fails at once: a row
	// that is gone does not come back.
	DeleteWhenMissing bool

	// Unique names the work a job stands for. While a job of that name is
	// unfinished, Dispatch drops further ones. Jobs of flows are not concerned:
	// a stage that vanished would leave its flow without an end.
	Unique func(args A) string

	// UntilStart lets go of the unique name when the job starts to run, so that
	// what changes from then on asks for another run.
	UntilStart bool

	// Tags are words to find a job by, such as "order:<id>": they stand in its
	// log lines, its events and the list of failed jobs. They hold no personal data.
	Tags func(args A) []string
}

// New returns a job of this kind. It panics when the arguments cannot be
// written as JSON, which is a mistake in their type.
func (k Kind[A]) New(args A) Job {
	raw, err := json.Marshal(args)
	if err != nil {
		panic(fmt.Sprintf("jobs: arguments of %s: %v", k.Name, err))
	}
	j := Job{kind: k.Name, queue: k.Queue, args: raw, sealed: k.Sealed}
	if k.Unique != nil {
		j.unique = k.Name + ":" + k.Unique(args)
	}
	if k.Tags != nil {
		j.tags = strings.Join(k.Tags(args), " ")
	}
	return j
}

// Job is one unit of queued work that has not been started yet.
type Job struct {
	id     uuid.UUID // nil: given when the job is written
	kind   string
	queue  string
	args   json.RawMessage
	sealed bool
	delay  time.Duration
	until  time.Time
	unique string
	tags   string
}

// Kind returns the name of the job's kind.
func (j Job) Kind() string { return j.kind }

// Args returns the job's arguments as JSON.
func (j Job) Args() json.RawMessage { return j.args }

// Queue returns the name of the queue the job waits in.
func (j Job) Queue() string { return j.queue }

// Delay returns how long the job is put off.
func (j Job) Delay() time.Duration { return j.delay }

// UniqueName returns the name of the work that the job stands for, empty when
// its kind gives none.
func (j Job) UniqueName() string { return j.unique }

// In returns the job put off: it becomes due d after its stage begins.
func (j Job) In(d time.Duration) Job {
	j.delay = max(d, 0)
	return j
}

// On returns the job in another queue than its kind's.
func (j Job) On(queue string) Job {
	j.queue = queue
	return j
}

// Until returns the job with a deadline in place of its kind's number of tries:
// it is tried until t and fails then with ErrDeadline, also when it only waits.
// A kind's MaxExceptions still holds.
func (j Job) Until(t time.Time) Job {
	j.until = t.UTC()
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
