package jobs

import (
	"context"
	"errors"
	"maps"
	"runtime/metrics"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/db"
)

// Why a worker stopped by itself.
var (
	errMaxJobs   = errors.New("it has run as many jobs as it may")
	errMaxTime   = errors.New("it has run for as long as it may")
	errMaxMemory = errors.New("it holds more memory than it may")
	errEmpty     = errors.New("no job is due")
	errRestart   = errors.New("a restart was asked for")
)

// watchInterval is the time between two looks at the worker's limits.
const watchInterval = 100 * time.Millisecond

// watch stops the worker once a limit is reached or a restart is asked for.
func (w *Worker) watch(ctx context.Context, gates []*gate, stop context.CancelCauseFunc) {
	began := time.Now()
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	var asked, known time.Time
	if given, err := w.core.signalled(ctx, signalRestart); err == nil {
		known = given // the signal is older than this run, whatever the clocks say
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if why := w.limit(ctx, gates, began); why != nil {
			stop(why)
			return
		}
		if time.Since(asked) < w.cfg.SweepInterval {
			continue
		}
		asked = time.Now()
		if given, err := w.core.signalled(ctx, signalRestart); err == nil && given.After(known) {
			stop(errRestart)
			return
		}
	}
}

// limit returns the limit that is reached, or nil.
func (w *Worker) limit(ctx context.Context, gates []*gate, began time.Time) error {
	if w.cfg.MaxTime > 0 && time.Since(began) >= w.cfg.MaxTime {
		return errMaxTime
	}
	if w.cfg.MaxMemory > 0 && memory() > w.cfg.MaxMemory {
		return errMaxMemory
	}
	if w.running.Load() > 0 || w.slots.held.Load() > 0 {
		return nil
	}
	for _, g := range gates {
		if g.holds() > 0 {
			return nil
		}
	}
	switch {
	case w.left.Load() <= 0:
		return errMaxJobs
	case w.cfg.StopWhenEmpty && w.core.idle(ctx, w.queueNames()):
		return errEmpty
	}
	return nil
}

// idle reports whether no job of the queues is due.
func (c *core) idle(ctx context.Context, queues []string) bool {
	var due []int
	err := c.db.Read(ctx).Raw("SELECT 1 FROM jobs WHERE queue IN ? AND due_at <= ? LIMIT 1", queues, c.clock.Now()).Scan(&due).Error
	return err == nil && len(due) == 0
}

// memory returns how many bytes the process holds of the system.
func memory() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64() - s[1].Value.Uint64()
}

// Drain runs the jobs that are due, of the worker's queues or, when it names
// none, of all, one after another in the order in which they came due, until none
// is, and returns how many attempts it made. Paused queues rest. It does without
// Redis: for tests and tools that want a queue without anything in the background.
// An attempt of which nothing could be recorded ends it with that error.
func (w *Worker) Drain(ctx context.Context) (attempts int, err error) {
	for {
		row, err := w.nextDue(ctx)
		if err != nil || row == nil {
			return attempts, err
		}
		attempts++
		var o *outcome
		if err := w.runOnce(ctx, row, 0); errors.As(err, &o) && !o.recorded() {
			return attempts, o.error
		}
	}
}

// nextDue returns the job that came due first, nil when none is due.
func (w *Worker) nextDue(ctx context.Context) (*jobRow, error) {
	c := w.core
	paused, err := c.paused(ctx)
	if err != nil {
		return nil, err
	}
	q := c.db.Read(ctx).Table("jobs").Where("due_at <= ?", c.clock.Now()).Order("due_at, id").Limit(1)
	if len(w.cfg.Queues) > 0 {
		q = q.Where("queue IN ?", w.queueNames())
	}
	if len(paused) > 0 {
		q = q.Where("queue NOT IN ?", slices.Collect(maps.Keys(paused)))
	}
	var ids []uuid.UUID
	if err := q.Pluck("id", &ids).Error; err != nil || len(ids) == 0 {
		return nil, err
	}
	return c.load(ctx, ids[0])
}

// RunSync writes a job and makes its first attempt at once, in the calling
// goroutine, and returns what the handler said. A job that is not done by that is
// an ordinary job of its queue from then on: what is to be tried again, is.
func (w *Worker) RunSync(ctx context.Context, j Job) error {
	k, ok := w.registry.kinds[j.kind]
	if !ok {
		return unknownKind(j.kind)
	}
	now := w.core.clock.Now()
	row := w.core.newRow(j, now)
	row.begin(now)
	// Should this process die, the sweep delivers the job once it is due.
	later := now.Add(clock.App(w.core.clock, k.timeout+abandonAfter))
	row.DueAt = &later
	err := w.core.db.Tx(ctx, func(tx *db.Tx) error { return tx.Create(&row).Error })
	if err != nil {
		return err
	}
	said, out := w.tryOnce(ctx, &row, 0)
	var o *outcome
	if errors.As(out, &o) {
		if !o.final {
			w.core.courier.send(delivery{id: row.ID, generation: 0, kind: row.Kind, queue: row.Queue, due: now.Add(clock.App(w.core.clock, o.after))})
		}
		return o.error
	}
	if IsSkip(said) {
		return said
	}
	return out
}
