package jobs

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"github.com/spotpool/spotpool/internal/db"
)

// Admin is what an operator does with the queue: look at what failed, take it up
// again, pause queues, restart workers.
type Admin struct{ sys *System }

// Admin returns the operator's side of the queue.
func (s *System) Admin() *Admin { return &Admin{s} }

// FailedJob is a job that has failed for good and was not taken up again since.
type FailedJob struct {
	ID       uuid.UUID
	Flow     uuid.NullUUID
	Kind     string
	Queue    string
	Tags     []string
	Args     json.RawMessage // null when they are sealed
	Sealed   bool
	Error    string
	Stack    string
	Attempts int // of the last time
	Times    int // how often it has failed
	FailedAt time.Time
}

// FailedFilter narrows the failed jobs; zero fields do not.
type FailedFilter struct {
	Kind, Queue, Tag string
	Before           time.Time // failed earlier
	After            uuid.UUID // those that follow this one in a list
	Limit            int       // 0: as many as a page holds
}

// listPage is how many rows are read at a time where nobody says how many.
const listPage = 200

func (f FailedFilter) apply(q *gorm.DB) *gorm.DB {
	q = q.Where("retried_at IS NULL")
	if f.Kind != "" {
		q = q.Where("kind = ?", f.Kind)
	}
	if f.Queue != "" {
		q = q.Where("queue = ?", f.Queue)
	}
	if f.Tag != "" {
		like := strings.NewReplacer("!", "!!", "%", "!%", "_", "!_").Replace(f.Tag)
		q = q.Where("CONCAT(' ', tags, ' ') LIKE ? ESCAPE '!'", "% "+like+" %")
	}
	if !f.Before.IsZero() {
		q = q.Where("failed_at < ?", f.Before)
	}
	if f.After != uuid.Nil {
		q = q.Where("job_id < ?", f.After)
	}
	return q
}

// Failed returns a page of the failed jobs that the filter leaves, the youngest
// first; the last of them is what After takes for the next page.
func (a *Admin) Failed(ctx context.Context, f FailedFilter) ([]FailedJob, error) {
	var rows []failedRow
	if err := f.apply(a.sys.core.db.Read(ctx)).Order("job_id DESC").Limit(cmp.Or(f.Limit, listPage)).Find(&rows).Error; err != nil {
		return nil, err
	}
	jobs := make([]FailedJob, len(rows))
	for i, r := range rows {
		jobs[i] = r.view()
	}
	return jobs, nil
}

// FailedJob returns one failed job, or db.ErrNotFound.
func (a *Admin) FailedJob(ctx context.Context, id uuid.UUID) (FailedJob, error) {
	var row failedRow
	err := a.sys.core.db.Read(ctx).Where("job_id = ? AND retried_at IS NULL", id).Take(&row).Error
	return row.view(), err
}

func (r failedRow) view() FailedJob {
	j := FailedJob{
		ID: r.JobID, Flow: r.FlowID, Kind: r.Kind, Queue: r.Queue, Tags: strings.Fields(r.Tags), Sealed: r.Sealed,
		Error: r.Error, Stack: r.Stack, Attempts: r.Attempts, Times: r.Times, FailedAt: r.FailedAt,
	}
	if !r.Sealed {
		j.Args = json.RawMessage(r.Args)
	}
	return j
}

// Retry takes failed jobs up again, all or none, each with fresh attempts. It
// returns db.ErrNotFound for one that is not among the failed, and ErrFlowBusy or
// ErrFlowOver for one whose flow does not allow it.
func (a *Admin) Retry(ctx context.Context, ids ...uuid.UUID) error {
	return a.sys.core.db.Tx(ctx, func(tx *db.Tx) error { return a.RetryIn(tx, ids...) })
}

// RetryIn is Retry in the caller's transaction.
func (a *Admin) RetryIn(tx *db.Tx, ids ...uuid.UUID) error {
	c := a.sys.core
	for _, id := range ids {
		n, err := tx.Change("UPDATE failed_jobs SET retried_at = ? WHERE job_id = ? AND retried_at IS NULL", c.clock.Now(), id)
		if err == nil && n == 0 {
			err = db.ErrNotFound
		}
		if err == nil {
			err = c.resume(tx, id)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// RetryAll takes up again the failed jobs that the filter leaves, the oldest
// first, and returns how many it took up and how many their flows did not allow.
// One that fails again meanwhile is not taken up twice. The filter's limit does
// not count.
func (a *Admin) RetryAll(ctx context.Context, f FailedFilter) (retried, refused int, err error) {
	read := func() *gorm.DB { return f.apply(a.sys.core.db.Read(ctx)).Table("failed_jobs").Limit(listPage) }
	var last, page []uuid.UUID // those that fail from now on come after the last one
	if err := read().Order("job_id DESC").Limit(1).Pluck("job_id", &last).Error; err != nil || len(last) == 0 {
		return 0, 0, err
	}
	for after := uuid.Nil; ; after = page[len(page)-1] {
		page = nil
		err := read().Where("job_id > ? AND job_id <= ?", after, last[0]).Order("job_id").Pluck("job_id", &page).Error
		if err != nil {
			return retried, refused, err
		}
		for _, id := range page {
			switch err := a.Retry(ctx, id); {
			case err == nil:
				retried++
			case errors.Is(err, ErrFlowBusy), errors.Is(err, ErrFlowOver), errors.Is(err, ErrNotFailed), errors.Is(err, db.ErrNotFound):
				refused++
			default:
				return retried, refused, err
			}
		}
		if len(page) < listPage {
			return retried, refused, nil
		}
	}
}

// Forget deletes the records of failed jobs, all or none, and returns how many
// there were.
func (a *Admin) Forget(ctx context.Context, ids ...uuid.UUID) (n int, err error) {
	err = a.sys.core.db.Tx(ctx, func(tx *db.Tx) error {
		n = 0
		for chunk := range slices.Chunk(ids, insertChunk) {
			rows, err := tx.Change("DELETE FROM failed_jobs WHERE job_id IN ? AND retried_at IS NULL", chunk)
			if err != nil {
				return err
			}
			n += int(rows)
		}
		return nil
	})
	return n, err
}

// Flush deletes the records of all jobs that failed before a time, those that
// were taken up again too, a page in a transaction, and returns how many it deleted.
func (a *Admin) Flush(ctx context.Context, before time.Time) (n int, err error) {
	return a.sys.core.byPages(ctx, func(tx *db.Tx) (int, error) { return pruneFailed(tx, before) })
}

func (a *Admin) delete(ctx context.Context, statement string, args ...any) (n int, err error) {
	err = a.sys.core.db.Tx(ctx, func(tx *db.Tx) error {
		rows, err := tx.Change(statement, args...)
		n = int(rows)
		return err
	})
	return n, err
}

// FlowStates returns the states that the flows of a list can be in. One that is
// nested in another can also be waiting or skipped.
func FlowStates() []string {
	return []string{flowRunning, flowStopping, flowCatching, flowDone, flowFailed, flowCancelled}
}

// FlowFilter narrows a list of flows; zero fields do not.
type FlowFilter struct {
	State   string
	Subject uuid.UUID
	After   uuid.UUID // older than this one
	Limit   int       // 0: as many as a page holds
}

// Flows returns flows without their stages, the youngest first. Those that are
// nested in another are shown with it, by Client.Flow.
func (a *Admin) Flows(ctx context.Context, f FlowFilter) ([]FlowView, error) {
	q := a.sys.core.db.Read(ctx).Where("batch_id IS NULL").Order("id DESC").Limit(cmp.Or(f.Limit, listPage))
	if f.State != "" {
		q = q.Where("state = ?", f.State)
	}
	if f.Subject != uuid.Nil {
		q = q.Where("subject_id = ?", f.Subject)
	}
	if f.After != uuid.Nil {
		q = q.Where("id < ?", f.After)
	}
	var rows []flowRow
	if err := q.Find(&rows).Error; err != nil {
		return nil, err
	}
	views := make([]FlowView, len(rows))
	for i, r := range rows {
		views[i] = r.view()
	}
	return views, nil
}

// Batches returns up to limit batches older than the one named after, the youngest first.
func (a *Admin) Batches(ctx context.Context, after uuid.UUID, limit int) ([]BatchView, error) {
	q := a.sys.core.db.Read(ctx).Order("id DESC").Limit(limit)
	if after != uuid.Nil {
		q = q.Where("id < ?", after)
	}
	var rows []batchRow
	if err := q.Find(&rows).Error; err != nil {
		return nil, err
	}
	views := make([]BatchView, len(rows))
	for i, r := range rows {
		views[i] = *r.view()
	}
	return views, nil
}

// CancelFlow cancels a flow as Client.CancelFlow does, in a transaction of its own.
func (a *Admin) CancelFlow(ctx context.Context, id uuid.UUID) (found bool, err error) {
	err = a.sys.core.db.Tx(ctx, func(tx *db.Tx) error {
		found, err = a.sys.Client().CancelFlow(tx, id)
		return err
	})
	return found, err
}

// Pause keeps the workers from taking jobs of a queue; what runs goes on. It
// holds until Continue, also when Redis is emptied or down at the moment.
func (a *Admin) Pause(ctx context.Context, queue string) error {
	if err := a.sys.core.signal(ctx, signalPause+queue); err != nil {
		return err
	}
	_ = a.sys.restoreQueues(ctx, []string{queue}) // while Redis is down: the next sweep does
	return nil
}

// Continue takes a pause back, also one that was given in asynqmon's pages. It
// reports whether the queue was paused.
func (a *Admin) Continue(ctx context.Context, queue string) (bool, error) {
	n, err := a.delete(ctx, "DELETE FROM queue_signals WHERE name = ?", signalPause+queue)
	b := a.sys.broker(queue)
	if err != nil || b == nil {
		return n > 0, err
	}
	held, err := b.redis.Del(ctx, pausedKey(queue)).Result()
	if err != nil && n > 0 {
		err = nil // while Redis is down: the next sweep does
	}
	b.announce(queue)
	return n > 0 || held > 0, err
}

// Restart has all workers that run now stop gracefully; what supervises them
// starts them anew.
func (a *Admin) Restart(ctx context.Context) error { return a.sys.core.signal(ctx, signalRestart) }

// Queues returns how the queues stand in Redis.
func (a *Admin) Queues(ctx context.Context, names ...string) ([]QueueView, error) {
	views := make([]QueueView, len(names))
	for i, name := range names {
		var err error
		if views[i], err = a.sys.depth(ctx, name); err != nil {
			return nil, err
		}
	}
	return views, nil
}
