package jobs

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
)

// RunDelivery makes the run that a delivery of the job from Redis would cause.
func (w *Worker) RunDelivery(ctx context.Context, id uuid.UUID, generation int) error {
	row, err := w.core.load(ctx, id)
	if err != nil || row.State != jobReady || row.Generation != generation {
		return err
	}
	_ = w.runOnce(ctx, row, 0) // what asynq is told
	return nil
}

// EndTogether ends jobs as done in one group, as those are that end at the same time.
func (s *System) EndTogether(ctx context.Context, ids ...uuid.UUID) error {
	group := make([]*ending, len(ids))
	for i, id := range ids {
		row, err := s.core.load(ctx, id)
		if err != nil {
			return err
		}
		group[i] = &ending{row: row, state: jobDone, answer: make(chan error, 1)}
	}
	s.core.endTogether(group)
	var errs []error
	for _, e := range group {
		errs = append(errs, <-e.answer)
	}
	return errors.Join(errs...)
}

// RestoreQueues is what the sweep does about queues that Redis may have forgotten.
func (s *System) RestoreQueues(ctx context.Context, queues ...string) error {
	return s.restoreQueues(ctx, queues)
}

// AsWorker returns the connections that a process with n slots gives to asynq's
// client and to its server, what ends the server's looks for tasks, and what ends
// the rest.
func AsWorker(c redis.UniversalClient, queue string, n int) (client, server redis.UniversalClient, stop, end func()) {
	l := newLine(c)
	left := new(atomic.Int64)
	left.Store(unlimited)
	g := &gate{
		line: l, queues: map[string]int{queue: 1}, poll: 10 * time.Millisecond, slots: newSlots(n), left: left, turn: new(sync.Mutex),
		stop: make(chan struct{}), work: make(chan struct{}, 1), want: 1, ahead: func([]string) {},
	}
	return l, g, g.close, l.scripts.close
}
