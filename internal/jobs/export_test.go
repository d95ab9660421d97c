package jobs

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/spotpool/spotpool/internal/db"
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

// EndTogether ends jobs as done in one group, as those are that end at the same time,
// with the effect, if there is one. It returns what each is told.
func (s *System) EndTogether(ctx context.Context, effect func(tx *db.Tx, id uuid.UUID) error, ids ...uuid.UUID) ([]error, error) {
	group := make([]*ending, len(ids))
	for i, id := range ids {
		row, err := s.core.load(ctx, id)
		if err != nil {
			return nil, err
		}
		group[i] = &ending{row: row, state: jobDone, answer: make(chan error, 1)}
		if effect != nil {
			group[i].effect = func(tx *db.Tx) error { return effect(tx, id) }
		}
	}
	s.core.endTogether(group)
	told := make([]error, len(ids))
	for i, e := range group {
		told[i] = <-e.answer
	}
	return told, nil
}

// StartTogether starts flows in one group, as those are that are started at the same
// time. It returns what each caller is told.
func (s *System) StartTogether(flows ...Beginning) []error {
	group := make([]*starting, len(flows))
	for i, f := range flows {
		group[i] = &starting{flow: f, answer: make(chan error, 1)}
	}
	s.core.startTogether(group)
	told := make([]error, len(flows))
	for i, one := range group {
		told[i] = <-one.answer
	}
	return told
}

// RestoreQueues is what the sweep does about queues that Redis may have forgotten.
func (s *System) RestoreQueues(ctx context.Context, queues ...string) error {
	return s.restoreQueues(ctx, queues)
}

// PutTogether puts tasks that are due into Redis as a courier does, and returns how
// many were not there.
func PutTogether(c redis.UniversalClient, queue, kind string, retention time.Duration, ids ...uuid.UUID) (stored int) {
	to := &courier{to: func(string) *broker { return &broker{redis: c} }, retention: retention}
	parcels := make([]*parcel, len(ids))
	for i, id := range ids {
		parcels[i] = &parcel{delivery: delivery{id: id, kind: kind, queue: queue}, done: make(chan struct{})}
	}
	to.putAll(parcels)
	for _, p := range parcels {
		if p.err == nil && p.stored {
			stored++
		}
	}
	return stored
}

// TaskOptions are those of a job's task in asynq.
func TaskOptions(id uuid.UUID, queue string, retention time.Duration) []asynq.Option {
	return []asynq.Option{
		asynq.TaskID(delivery{id: id}.payload()), asynq.Queue(queue), asynq.MaxRetry(maxRedeliveries),
		asynq.Timeout(redisDeadline), asynq.Retention(retention),
	}
}

// AsWorker returns the connection that a worker with n slots gives to asynq's
// server, what ends its looks for tasks, and what ends the rest.
func AsWorker(c redis.UniversalClient, queue string, n int) (server redis.UniversalClient, stop, end func()) {
	l := newLine(c)
	left := new(atomic.Int64)
	left.Store(unlimited)
	g := &gate{
		line: l, queues: map[string]int{queue: 1}, poll: 10 * time.Millisecond, news: newNews(10 * time.Millisecond), slots: newSlots(n), left: left, turn: new(sync.Mutex),
		stop: make(chan struct{}), work: make(chan struct{}, 1), want: 1, ahead: &aheads{
			read: func(context.Context, []uuid.UUID) (map[uuid.UUID]*jobRow, error) { return nil, nil },
		},
	}
	return g, func() { closeAll([]*gate{g}) }, l.scripts.close
}
