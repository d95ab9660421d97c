package jobs

import (
	"context"
	"errors"
	"fmt"
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
// returns how many it delivered. Several workers may sweep at once.
func (w *Worker) Sweep(ctx context.Context) (restored int, err error) {
	for queue := range w.cfg.Queues {
		horizon, err := w.sys.horizon(ctx, queue)
		if err != nil {
			return restored, err
		}
		n, err := w.sweepQueue(ctx, queue, horizon)
		restored += n
		if err != nil {
			return restored, err
		}
	}
	w.metrics.restored(restored)
	return restored, nil
}

// horizon returns the time before which a ready job of the queue is either
// running or lost: when its oldest pending task was put there, or now when none
// is pending, less the grace. It reads asynq's keys itself: the inspector's
// figures would cost a scan of the queue's memory.
func (s *System) horizon(ctx context.Context, queue string) (time.Time, error) {
	now := s.core.clock.Now()
	key := "asynq:{" + queue + "}:"
	oldest, err := s.redis.LIndex(ctx, key+"pending", -1).Result()
	if errors.Is(err, redis.Nil) {
		return now.Add(-sweepGrace), nil
	}
	if err != nil {
		return time.Time{}, err
	}
	since, err := s.redis.HGet(ctx, key+"t:"+oldest, "pending_since").Int64()
	if errors.Is(err, redis.Nil) {
		// A task that was told to run now carries no such time. It is at the head
		// for a moment only; the next sweep sees the one behind it.
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	waited := time.Since(time.Unix(0, since))
	return now.Add(-max(waited, 0) - sweepGrace), nil
}

func (w *Worker) sweepQueue(ctx context.Context, queue string, horizon time.Time) (restored int, err error) {
	var after time.Time
	var afterID uuid.UUID
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
			if err != nil {
				return restored, err
			}
			if ok {
				restored++
			}
		}
		if len(rows) < sweepPage {
			return restored, nil
		}
		last := rows[len(rows)-1]
		after, afterID = *last.DueAt, last.ID
	}
}

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
		lost, err := w.lost(row, next)
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
func (w *Worker) lost(row *jobRow, d delivery) (bool, error) {
	info, err := w.sys.inspector.GetTaskInfo(row.Queue, d.payload())
	if errors.Is(err, asynq.ErrTaskNotFound) {
		return false, nil // gone between two looks; the next sweep decides
	}
	if err != nil {
		return false, err
	}
	switch info.State {
	case asynq.TaskStateArchived, asynq.TaskStateCompleted:
		return true, nil
	case asynq.TaskStateScheduled, asynq.TaskStateRetry:
		if time.Until(info.NextProcessAt) > sweepGrace {
			w.core.courier.runNow(d)
		}
	}
	return false, nil
}
