package jobs

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/hibiken/asynq"

	"github.com/spotpool/spotpool/internal/clock"
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

// sweepLoop sweeps at once, then at every interval, until ctx is over. Each Redis
// is swept by itself: one that is down keeps its own queues waiting alone.
func (w *Worker) sweepLoop(ctx context.Context) {
	var wg sync.WaitGroup
	for _, queues := range w.byBroker() {
		wg.Go(func() { w.sweepAgain(ctx, slices.Sorted(maps.Keys(queues))) })
	}
	wg.Wait()
}

// sweepAgain sweeps queues of one Redis until ctx is over.
func (w *Worker) sweepAgain(ctx context.Context, queues []string) {
	tick := time.NewTicker(w.cfg.SweepInterval)
	defer tick.Stop()
	for {
		restored, err := w.sweepQueues(ctx, queues)
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
	if !w.sys.delivers() {
		return 0, errNoRedis
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	var errs []error
	for _, queues := range w.byBroker() {
		wg.Go(func() {
			n, err := w.sweepQueues(ctx, slices.Sorted(maps.Keys(queues)))
			mu.Lock()
			defer mu.Unlock()
			restored += n
			errs = append(errs, err)
		})
	}
	wg.Wait()
	return restored, distinct(errs)
}

// sweepQueues is Sweep for queues of one Redis.
func (w *Worker) sweepQueues(ctx context.Context, queues []string) (restored int, err error) {
	defer func() { w.metrics.restored(restored) }()
	errs := []error{w.sys.restoreQueues(ctx, queues)}
	for _, queue := range queues {
		horizon, ok, err := w.sys.horizon(ctx, queue)
		if err == nil && ok {
			var n int
			n, err = w.sweepQueue(ctx, queue, horizon)
			restored += n
		}
		errs = append(errs, err)
	}
	return restored, distinct(errs)
}

// distinct joins the errors that say different things: a Redis that is down says
// the same for each of its queues.
func distinct(errs []error) error {
	said := map[string]bool{}
	return errors.Join(slices.DeleteFunc(errs, func(err error) bool {
		if err == nil || said[err.Error()] {
			return true
		}
		said[err.Error()] = true
		return false
	})...)
}

// horizon returns the time before which a ready job of the queue is either
// running or lost: when its oldest pending task was put there, or now when none
// is pending, less the grace. ok is false when no task at the head says.
func (s *System) horizon(ctx context.Context, queue string) (t time.Time, ok bool, err error) {
	waited, ok, err := s.broker(queue).oldest(ctx, queue)
	return s.core.clock.Now().Add(-clock.App(s.core.clock, waited+sweepGrace)), ok, err
}

func (w *Worker) sweepQueue(ctx context.Context, queue string, horizon time.Time) (restored int, err error) {
	after, afterID := time.Unix(0, 0).UTC(), uuid.Nil
	for {
		var rows []jobRow
		err := w.core.db.Read(ctx).Raw(`SELECT id, kind, queue, generation, due_at FROM jobs
			WHERE queue = ? AND due_at < ? AND (due_at > ? OR (due_at = ? AND id > ?))
			ORDER BY due_at, id LIMIT ?`, queue, horizon, after, after, afterID, sweepPage).Scan(&rows).Error
		if err != nil {
			return restored, err
		}
		n, err := w.restoreAll(ctx, rows)
		restored += n
		if err != nil {
			return restored, err
		}
		if len(rows) < sweepPage {
			return restored, nil
		}
		last := rows[len(rows)-1]
		after, afterID = *last.DueAt, last.ID
	}
}

// restoreAll delivers those of the jobs that Redis lacks and returns how many it
// delivered. They become due anew, in one transaction.
func (w *Worker) restoreAll(ctx context.Context, rows []jobRow) (int, error) {
	c, now := w.core, w.core.clock.Now()
	fates := make([]fate, len(rows))
	var wg sync.WaitGroup
	for i := range rows { // side by side, so that they go in few scripts
		wg.Go(func() { fates[i] = w.restore(ctx, &rows[i], now) })
	}
	wg.Wait()
	var errs []error
	var again []delivery
	same, next := map[int][]uuid.UUID{}, map[int][]uuid.UUID{} // by generation
	for i, f := range fates {
		errs = append(errs, f.err)
		row := &rows[i]
		switch {
		case f.delivered:
			same[row.Generation] = append(same[row.Generation], row.ID)
		case f.lost:
			next[row.Generation] = append(next[row.Generation], row.ID)
			again = append(again, delivery{id: row.ID, generation: row.Generation + 1, kind: row.Kind, queue: row.Queue, due: now})
		}
	}
	if len(same)+len(next) == 0 {
		return 0, errors.Join(errs...)
	}
	restored := 0
	err := c.db.Tx(ctx, func(tx *db.Tx) error {
		restored = 0
		for step, by := range []map[int][]uuid.UUID{same, next} {
			for generation, ids := range by {
				// One that has released itself since is due later, and stays so.
				n, err := tx.Change("UPDATE jobs SET generation = ?, due_at = ? WHERE id IN ? AND generation = ? AND state = 'ready' AND due_at <= ?",
					generation+step, now, ids, generation, now)
				if err != nil {
					return err
				}
				restored += int(n)
			}
		}
		tx.After(func() { c.courier.send(again...) })
		return nil
	})
	return restored, errors.Join(append(errs, err)...)
}

// fate is what a sweep found out about a job.
type fate struct {
	delivered bool // Redis lacked it and has it now
	lost      bool // Redis has it and will never run it
	err       error
}

// restore delivers a job unless Redis has it.
func (w *Worker) restore(ctx context.Context, row *jobRow, now time.Time) fate {
	d := row.delivery()
	d.due = now
	stored, err := w.core.courier.put(ctx, d)
	if err != nil {
		return fate{err: fmt.Errorf("deliver %s: %w", row.Kind, err)}
	}
	if stored {
		return fate{delivered: true}
	}
	lost, err := w.lost(ctx, row, d)
	return fate{lost: lost, err: err}
}

// lost looks at a task that Redis still holds for a ready job. One that is over
// there, archived after a worker died or by hand, will never run again; one that
// waits for a time later than the database says is told to run.
func (w *Worker) lost(ctx context.Context, row *jobRow, d delivery) (bool, error) {
	info, err := w.sys.broker(row.Queue).inspector.GetTaskInfo(row.Queue, d.payload())
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
