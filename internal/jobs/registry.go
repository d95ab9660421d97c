package jobs

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spotpool/spotpool/internal/db"
)

// Handler runs one attempt. What it returns says what happens next:
//
//	nil          the job is done; Done was called, or there was nothing to record
//	Release(…)   the job waits and runs again, without using an attempt
//	Skip(…)      the job is done without having done anything
//	Fail(err)    the job has failed for good
//	other error  the attempt failed; the job is retried after its kind's backoff
type Handler func(ctx context.Context, a *Attempt) error

// Middleware wraps a handler.
type Middleware func(next Handler) Handler

// Registry holds the kinds a process can run.
type Registry struct {
	kinds   map[string]*kind
	global  []Middleware
	failing []FailureHook
}

// kind is a Kind without its argument type, and its handler.
type kind struct {
	name          string
	tries         int
	maxExceptions int
	backoff       Backoff
	timeout       time.Duration
	untilStart    bool
	whenMissing   bool // end the job when what it is about is gone
	run           Handler
	failing       []FailureHook
}

// NewRegistry returns an empty registry.
func NewRegistry() *Registry { return &Registry{kinds: map[string]*kind{}} }

// Use adds middleware around the handlers of all kinds; the first is the outermost.
func (r *Registry) Use(mw ...Middleware) { r.global = append(r.global, mw...) }

// OnFailure adds a hook for the failures of all kinds.
func (r *Registry) OnFailure(hook FailureHook) { r.failing = append(r.failing, hook) }

// The lengths of the columns that hold the names.
const (
	maxKindName  = 64
	maxQueueName = 32
)

// Handle attaches a handler to a kind; the first middleware is the outermost.
// It panics when the kind leaves something unsaid or its name clashes with
// another: asynq's mux matches names by prefix, so that "order:cancel" would
// also get the jobs of "order:cancel_fee".
func Handle[A any](r *Registry, k Kind[A], h func(ctx context.Context, a *Attempt, args A) error, mw ...Middleware) {
	if k.Name == "" || k.Queue == "" || k.Tries < 1 || k.Backoff == nil || k.Timeout <= 0 {
		panic(fmt.Sprintf("jobs: kind %q must state name, queue, tries, backoff and timeout", k.Name))
	}
	if len(k.Name) > maxKindName || len(k.Queue) > maxQueueName {
		panic(fmt.Sprintf("jobs: the name of kind %q or of its queue %q is too long", k.Name, k.Queue))
	}
	for name := range r.kinds {
		if strings.HasPrefix(name, k.Name) || strings.HasPrefix(k.Name, name) {
			panic(fmt.Sprintf("jobs: kind %q clashes with %q", k.Name, name))
		}
	}
	r.kinds[k.Name] = &kind{
		name: k.Name, tries: k.Tries, maxExceptions: k.MaxExceptions, backoff: k.Backoff, timeout: k.Timeout,
		untilStart: k.UntilStart, whenMissing: k.DeleteWhenMissing,
		run: wrap(typed(h), mw),
	}
}

// typed returns h as a Handler that reads the arguments first.
func typed[A any](h func(ctx context.Context, a *Attempt, args A) error) Handler {
	return func(ctx context.Context, a *Attempt) error {
		args, err := decode[A](a.args)
		if err != nil {
			return err
		}
		return h(ctx, a, args)
	}
}

func wrap(h Handler, mw []Middleware) Handler {
	for _, m := range slices.Backward(mw) {
		h = m(h)
	}
	return h
}

// OnFailed adds a hook for the failures of one kind, which is called as a
// FailureHook is and gets the job's arguments. A job whose arguments cannot be read
// fails without it, and the log says so. OnFailed panics when Handle has attached
// no handler to the kind.
func OnFailed[A any](r *Registry, k Kind[A], hook func(tx *db.Tx, f Failure, args A) error) {
	known, ok := r.kinds[k.Name]
	if !ok {
		panic(fmt.Sprintf("jobs: a failure hook for the kind %q, which has no handler yet", k.Name))
	}
	known.failing = append(known.failing, func(tx *db.Tx, f Failure) error {
		raw, err := f.args()
		if err != nil {
			return err
		}
		args, err := decode[A](raw)
		if err != nil {
			return err
		}
		return hook(tx, f, args)
	})
}

// decode reads a job's arguments; those that cannot be read fail the job.
func decode[A any](raw json.RawMessage) (args A, err error) {
	if err := json.Unmarshal(raw, &args); err != nil {
		return args, Fail(fmt.Errorf("arguments: %w", err))
	}
	return args, nil
}
