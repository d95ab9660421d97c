package jobs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/spotpool/spotpool/internal/db"
)

// The sweep compares the database with Redis and delivers what Redis lacks.
//
// Nothing in the database says that a job went to Redis, so the sweep uses the
// order of the queue: asynq's pending list is first in, first out, hence a ready
// job that was due before the oldest pending task was put there has either been
// taken out, to run now, or was never in. The sweep looks at those alone: its
// work grows with what is running or lost, not with what waits. A job that it
// delivers becomes due anew, which takes it out of the next sweep's sight.

const (
	// sweepGrace covers the way from the commit to Redis, the interval at which
	// asynq forwards delayed tasks, and clocks that differ between machines.
	sweepGrace = 3 * time.Second
	sweepPage  = 200
)

// sweepLoop sweeps at once, then at every interval, until ctx is over.
func (w *Worker) sweepLoop(ctx context.Context) {
	tick := time.NewTicker(w.cfg.SweepInterval)
	defer tick.Stop()
	for {
		restored, err := w.Sweep(ctx)
		if err != nil && ctx.Err() == nil {
			w.log.WarnContext(ctx, "sweep did not finish", "err", err)
		}
		if restored > 0 {
			w.log.InfoContext(ctx, "sweep delivered jobs that Redis lacked", "jobs", restored)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Sweep delivers the ready jobs of this worker's queues that Redis lacks and
// returns how many it delivered. Several workers may sweep at once. A job or a
// queue that cannot be dealt with does not keep it from the others.
func (w *Worker) Sweep(ctx context.Context) (restored int, err error) {
	defer func() { w.metrics.restored(restored) }()
	if err := w.sys.announce(ctx, w.cfg.Queues); err != nil {
		return 0, err
	}
	var errs []error
	for queue := range w.cfg.Queues {
		horizon, ok, err := w.sys.horizon(ctx, queue)
		if err == nil && ok {
			var n int
			n, err = w.sweepQueue(ctx, queue, horizon)
			restored += n
		}
		errs = append(errs, err)
	}
	return restored, errors.Join(errs...)
}

// announce writes the queues' names down in Redis. asynq's client does so once
// in its life, so that after Redis was emptied its inspector would not find them.
func (s *System) announce(ctx context.Context, queues map[string]int) error {
	names := make([]any, 0, len(queues))
	for q := range queues {
		names = append(names, q)
	}
	return s.redis.SAdd(ctx, "asynq:queues", names...).Err()
}

// headSample is how many tasks at the head of a queue are asked since when they
// wait: those that were told to run now do not say.
const headSample = 16

// horizon returns the time before which a ready job of the queue is either
// running or lost: when its oldest pending task was put there, or now when none
// is pending, less the grace. ok is false when no task at the head says. It reads
// asynq's keys itself: the inspector's figures would cost a scan of the queue's
// memory.
func (s *System) horizon(ctx context.Context, queue string) (t time.Time, ok bool, err error) {
	now := s.core.clock.Now()
	key := "asynq:{" + queue + "}:"
	oldest, err := s.redis.LRange(ctx, key+"pending", -headSample, -1).Result()
	if err != nil {
		return t, false, err
	}
	if len(oldest) == 0 {
		return now.Add(-sweepGrace), true, nil
	}
	for _, id := range slices.Backward(oldest) {
		since, err := s.redis.HGet(ctx, key+"t:"+id, "pending_since").Int64()
		if errors.Is(err, redis.Nil) {
			continue
		}
		waited := time.Since(time.Unix(0, since))
		return now.Add(-max(waited, 0) - sweepGrace), err == nil, err
	}
	return t, false, nil
}

func (w *Worker) sweepQueue(ctx context.Context, queue string, horizon time.Time) (restored int, err error) {
	after, afterID := time.Unix(0, 0).UTC(), uuid.Nil
	var errs []error
	for {
		var rows []jobRow
		err := w.core.db.Read(ctx).Raw(`SELECT id, kind, queue, generation, due_at FROM jobs
			WHERE queue = ? AND due_at < ? AND (due_at > ? OR (due_at = ? AND id > ?))
			ORDER BY due_at, id LIMIT ?`, queue, horizon, after, after, afterID, sweepPage).Scan(&rows).Error
		if err != nil {
			return restored, err
		}
		for i := range rows {
			ok, err := w.restore(ctx, &rows[i])
			if ok {
				restored++
			}
			if err != nil {
				errs = append(errs, err)
			}
			if len(errs) == maxSweepErrors {
				return restored, errors.Join(errs...)
			}
		}
		if len(rows) < sweepPage {
			return restored, errors.Join(errs...)
		}
		last := rows[len(rows)-1]
		after, afterID = *last.DueAt, last.ID
	}
}

// maxSweepErrors is how many jobs of a queue may fail to be delivered before the
// sweep turns to the next queue.
const maxSweepErrors = 3

// restore delivers a job unless Redis has it, and reports whether it did.
func (w *Worker) restore(ctx context.Context, row *jobRow) (bool, error) {
	c, now := w.core, w.core.clock.Now()
	next := row.delivery()
	next.due = now
	stored, err := c.courier.put(ctx, next)
	if err != nil {
		return false, fmt.Errorf("deliver %s: %w", row.Kind, err)
	}
	if !stored {
		lost, err := w.lost(ctx, row, next)
		if err != nil || !lost {
			return false, err
		}
		next.generation++
	}
	err = c.db.Tx(ctx, func(tx *db.Tx) error {
		n, err := tx.Change(`UPDATE jobs SET generation = ?, due_at = ? WHERE id = ? AND generation = ? AND state = 'ready'`,
			next.generation, now, row.ID, row.Generation)
		if err == nil && n == 1 && next.generation > row.Generation {
			tx.After(func() { c.courier.send(next) })
		}
		return err
	})
	return err == nil, err
}

// lost looks at a task that Redis still holds for a ready job. One that is over
// there, archived after a worker died or by hand, will never run again; one that
// waits for a time later than the database says is told to run.
func (w *Worker) lost(ctx context.Context, row *jobRow, d delivery) (bool, error) {
	info, err := w.sys.inspector.GetTaskInfo(row.Queue, d.payload())
	if errors.Is(err, asynq.ErrTaskNotFound) || errors.Is(err, asynq.ErrQueueNotFound) {
		return false, nil // gone between two looks; the next sweep decides
	}
	if err != nil {
		return false, err
	}
	switch info.State {
	case asynq.TaskStateArchived, asynq.TaskStateCompleted:
		return true, nil
	case asynq.TaskStateScheduled, asynq.TaskStateRetry:
		if time.Until(info.NextProcessAt) <= sweepGrace {
			return false, nil
		}
		fresh, err := w.core.load(ctx, row.ID)
		if err != nil || fresh.DueAt == nil || !fresh.DueAt.Equal(*row.DueAt) {
			return false, err // put off since the sweep looked
		}
		w.core.courier.runNow(d)
	}
	return false, nil
}
