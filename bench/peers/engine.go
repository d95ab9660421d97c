package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// Kinds of cases.
const (
	noop  = "noop"  // one group of jobs that do nothing
	chain = "chain" // groups of three steps, each begun when the one before has ended
	batch = "batch" // groups of jobs whose last one, the callback, begins when the others have ended
)

const (
	chainSteps  = 3
	insertChunk = 1000 // jobs of one bulk insertion
	starters    = 16   // goroutines that start chains, or jobs where there is no bulk insertion
	poolSize    = 24   // connections to the database, as many as spotpool holds
)

// Case is one thing to measure, from an empty queue.
type Case struct {
	Label    string        `json:"-"`
	Kind     string        `json:"kind"`
	Workers  int           `json:"workers"`
	Groups   int           `json:"groups"`
	Size     int           `json:"size"`     // jobs of a group, the callback of a batch included
	OneByOne bool          `json:"oneByOne"` // start a group when the one before has ended, and time each
	Budget   time.Duration `json:"budget"`   // one by one: start no further group after this time
	Poll     time.Duration `json:"-"`        // between two looks at an empty queue; 0: the engine's default
	Bulk     bool          `json:"bulk"`     // start chains as noops are started, many with one call
	Finished int           `json:"-"`        // jobs that ended before the run
	Waiting  int           `json:"-"`        // jobs that wait for a time far ahead
	Alone    bool          `json:"-"`        // of spotpool alone
	Count    bool          `json:"-"`        // count commands and statements instead of time
}

// Result is what a run took.
type Result struct {
	Elapsed time.Duration   `json:"elapsed"` // from the first insertion until all is recorded as finished
	Laps    []time.Duration `json:"laps"`    // one by one: from the start of a group until its last handler ran
}

// Statements is how much an engine's SQL server has done so far.
type Statements struct{ All, Commits int64 }

// Engine is one queue under comparison.
type Engine interface {
	// Versions names the versions of the library and of its database.
	Versions(ctx context.Context) ([]string, error)
	// Run runs a case from an empty queue and fails unless every job ran exactly once and in its turn.
	Run(ctx context.Context, c Case) (Result, error)
	// Statements returns zero for an engine without an SQL database.
	Statements(ctx context.Context) (Statements, error)
	Close() error
}

// queue is an engine whose workers and client run in this process.
type queue interface {
	// Start empties the queue and starts the workers; their handlers report to t.
	Start(ctx context.Context, c Case, t *tally) error
	Noops(ctx context.Context, n int) error
	Chain(ctx context.Context, group int) error
	Chains(ctx context.Context, n int) error // many with one call, where the engine can
	Batch(ctx context.Context, group, size int) error
	// Settled reports whether everything that was started is recorded as finished.
	Settled(ctx context.Context) (bool, error)
	Stop() error
}

// run drives a queue through a case.
func run(ctx context.Context, q queue, c Case) (r Result, err error) {
	t := newTally(c)
	if err := q.Start(ctx, c, t); err != nil {
		return r, errors.Join(err, q.Stop())
	}
	if c.OneByOne {
		r, err = oneByOne(ctx, q, c, t)
	} else {
		r, err = allAtOnce(ctx, q, c, t)
	}
	if err := errors.Join(err, q.Stop()); err != nil {
		return r, err
	}
	return r, t.check()
}

func allAtOnce(ctx context.Context, q queue, c Case, t *tally) (r Result, err error) {
	began := time.Now()
	switch {
	case c.Kind == noop:
		err = q.Noops(ctx, c.Size)
	case c.Bulk:
		err = q.Chains(ctx, c.Groups)
	default:
		err = each(c.Groups, func(g int) error { return start(ctx, q, c, g) })
	}
	if err != nil {
		return r, err
	}
	for g := range c.Groups {
		if err := t.await(ctx, g); err != nil {
			return r, err
		}
	}
	err = settle(ctx, q)
	return Result{Elapsed: time.Since(began)}, err
}

func oneByOne(ctx context.Context, q queue, c Case, t *tally) (r Result, err error) {
	began := time.Now()
	for g := 0; g < c.Groups && time.Since(began) < c.Budget; g++ {
		// The workers' polling must not fall into step with the starts.
		time.Sleep(rand.N(50 * time.Millisecond))
		lap := time.Now()
		if err := start(ctx, q, c, g); err != nil {
			return r, err
		}
		if err := t.await(ctx, g); err != nil {
			return r, err
		}
		r.Laps = append(r.Laps, time.Since(lap))
		if err := settle(ctx, q); err != nil {
			return r, err
		}
	}
	t.groups = t.groups[:len(r.Laps)]
	r.Elapsed = time.Since(began)
	return r, nil
}

func start(ctx context.Context, q queue, c Case, group int) error {
	if c.Kind == chain {
		return q.Chain(ctx, group)
	}
	return q.Batch(ctx, group, c.Size)
}

// settle waits until the queue has recorded what its handlers did.
func settle(ctx context.Context, q queue) error {
	for {
		ok, err := q.Settled(ctx)
		if ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("jobs ran, but were not recorded as finished: %w", ctx.Err())
		case <-time.After(time.Millisecond):
		}
	}
}

// each calls fn for 0 to n-1 from several goroutines.
func each(n int, fn func(i int) error) error {
	var wg sync.WaitGroup
	errs := make([]error, starters)
	for s := range starters {
		wg.Go(func() {
			for i := s; i < n && errs[s] == nil; i += starters {
				errs[s] = fn(i)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// chunks calls fn for 0 to n in steps of insertChunk.
func chunks(n int, fn func(from, to int) error) error {
	for from := 0; from < n; from += insertChunk {
		if err := fn(from, min(from+insertChunk, n)); err != nil {
			return err
		}
	}
	return nil
}
