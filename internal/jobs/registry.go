package jobs

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Handler runs one attempt. What it returns says what happens next:
//
//	nil          the job is done; Done was called, or there was nothing to record
//	Release(…)   the job waits and runs again, without using an attempt
//	Fail(err)    the job has failed for good
//	other error  the attempt failed; the job is retried after its kind's backoff
type Handler func(ctx context.Context, a *Attempt) error

// Middleware wraps a handler.
type Middleware func(next Handler) Handler

// Registry holds the kinds a process can run.
type Registry struct {
	kinds map[string]*kind
}

// kind is a Kind without its argument type, and its handler.
type kind struct {
	name    string
	queue   string
	tries   int
	backoff Backoff
	timeout time.Duration
	run     Handler
}

// NewRegistry returns an empty registry.
func NewRegistry() *Registry { return &Registry{kinds: map[string]*kind{}} }

// Handle attaches a handler to a kind; the first middleware is the outermost.
// It panics when the kind leaves something unsaid or its name clashes with
// another: asynq's mux matches names by prefix, so that "order:cancel" would
// also get the jobs of "order:cancel_fee".
func Handle[A any](r *Registry, k Kind[A], h func(ctx context.Context, a *Attempt, args A) error, mw ...Middleware) {
	if k.Name == "" || k.Queue == "" || k.Tries < 1 || k.Backoff == nil || k.Timeout <= 0 {
		panic(fmt.Sprintf("jobs: kind %q must state name, queue, tries, backoff and timeout", k.Name))
	}
	for name := range r.kinds {
		if strings.HasPrefix(name, k.Name) || strings.HasPrefix(k.Name, name) {
			panic(fmt.Sprintf("jobs: kind %q clashes with %q", k.Name, name))
		}
	}
	run := func(ctx context.Context, a *Attempt) error {
		args, err := decode[A](a)
		if err != nil {
			return err
		}
		return h(ctx, a, args)
	}
	for i := len(mw) - 1; i >= 0; i-- {
		run = mw[i](run)
	}
	r.kinds[k.Name] = &kind{k.Name, k.Queue, k.Tries, k.Backoff, k.Timeout, run}
}

// decode reads an attempt's arguments; those that cannot be read fail the job.
func decode[A any](a *Attempt) (args A, err error) {
	if err := json.Unmarshal(a.args, &args); err != nil {
		return args, Fail(fmt.Errorf("arguments: %w", err))
	}
	return args, nil
}
