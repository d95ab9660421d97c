package jobs

import (
	"context"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
)

// How a job ended, and with it what becomes of its flow.
//
// Every function here but conclude runs in the transaction that ends the job.
// Ending a job locks the job, what its effect touches, its batch and its flow;
// stopping a flow locks the flow and then its jobs. Where the two meet, the
// database may call it a deadlock, and db.Tx runs the loser again.

// complete records the job's effect and that it is done, and moves its flow on.
func (c *core) complete(ctx context.Context, row *jobRow, effect func(tx *db.Tx) error) error {
	return c.conclude(ctx, row, ending{state: jobDone, attempts: row.Attempts, effect: effect})
}

// skip ends a job that was delivered after its flow had been stopped.
func (c *core) skip(ctx context.Context, row *jobRow) error {
	return c.conclude(ctx, row, ending{state: jobSkipped, attempts: row.Attempts})
}

// fail ends a job that is out of attempts and stops its flow, unless it is in
// a batch that allows failures.
func (c *core) fail(ctx context.Context, row *jobRow, attempts int, cause error) error {
	return c.conclude(ctx, row, ending{state: jobFailed, attempts: attempts, cause: cause})
}

// ending is how a job ends.
type ending struct {
	state    string
	attempts int
	cause    error // of a failure
	effect   func(tx *db.Tx) error
}

func (c *core) conclude(ctx context.Context, row *jobRow, e ending) error {
	return c.db.Tx(ctx, func(tx *db.Tx) error {
		if err := c.end(tx, row, e); err != nil {
			return err
		}
		if e.effect != nil {
			if err := e.effect(tx); err != nil {
				return err
			}
		}
		if !row.FlowID.Valid {
			return nil
		}
		return c.moveOn(tx, row, e.cause)
	})
}

// moveOn counts a job that has ended, stops its flow when it has failed, and
// goes on to the next stage when it was the last of its stage.
func (c *core) moveOn(tx *db.Tx, row *jobRow, cause error) error {
	last, fatal := true, cause != nil
	if row.BatchID.Valid {
		b, err := countDown(tx, row.BatchID.UUID, cause != nil)
		if err != nil {
			return err
		}
		last, fatal = b.Pending == 0, fatal && !b.AllowFailures
	}
	flow := row.FlowID.UUID
	if fatal && row.Branch == branchCatch {
		if err := c.skipWaiting(tx, flow, branchCatch); err != nil {
			return err
		}
	} else if fatal {
		if _, err := c.stop(tx, flow, flowFailed, causeOf(cause)); err != nil {
			return err
		}
	}
	if !last {
		return nil
	}
	return c.nextStage(tx, flow, row.Branch, row.Stage)
}

// end is the conditional update that lets exactly one run end a job.
func (c *core) end(tx *db.Tx, row *jobRow, e ending) error {
	lastError := row.LastError
	if e.cause != nil {
		lastError = clip(e.cause.Error())
	}
	n, err := tx.Change(`UPDATE jobs SET state = ?, attempts = ?, last_error = ?, due_at = NULL, finished_at = ?
		WHERE id = ? AND generation = ? AND state = 'ready'`,
		e.state, e.attempts, lastError, c.clock.Now(), row.ID, row.Generation)
	if err == nil && n == 0 {
		return ErrSuperseded
	}
	return err
}

// stop marks a running flow as failed or cancelled, skips the stages that have
// not begun, and has what waits for its time delivered now, to be skipped too.
// It reports whether the flow was running.
func (c *core) stop(tx *db.Tx, flow uuid.UUID, verdict, cause string) (bool, error) {
	n, err := tx.Change("UPDATE flows SET state = 'stopping', verdict = ?, cause = ? WHERE id = ? AND state = 'running'",
		verdict, cause, flow)
	if err != nil || n == 0 {
		return false, err
	}
	if err := c.skipWaiting(tx, flow, branchMain); err != nil {
		return false, err
	}
	ready, err := idsOf(tx, "SELECT id FROM jobs WHERE flow_id = ? AND state = 'ready' ORDER BY id", flow)
	if err != nil {
		return false, err
	}
	_, err = c.wake(tx, ready)
	return true, err
}

// wake makes those of the jobs that are ready due now and returns how many were
// put off. The count of wakes tells a run that is about to put its job off. The
// ids must rise: all who wake many jobs then lock them in one order.
func (c *core) wake(tx *db.Tx, ids []uuid.UUID) (woken int, err error) {
	now := c.clock.Now()
	for chunk := range slices.Chunk(ids, insertChunk) {
		_, err := tx.Change(`UPDATE jobs SET wakes = wakes + 1, due_at = CASE WHEN due_at > ? THEN ? ELSE due_at END
			WHERE id IN ? AND state = 'ready'`, now, now, chunk)
		if err != nil {
			return 0, err
		}
		var rows []jobRow
		err = tx.Raw("SELECT id, kind, queue, generation, due_at FROM jobs WHERE id IN ? AND state = 'ready' AND due_at = ?",
			chunk, now).Scan(&rows).Error
		if err != nil {
			return 0, err
		}
		run := make([]delivery, len(rows))
		for i := range rows {
			run[i] = rows[i].delivery()
		}
		woken += len(run)
		tx.After(func() { c.courier.runNow(run...) })
	}
	return woken, nil
}

// idsOf returns the ids that a query finds, without locking their rows: updates
// go by primary key, since going by another index locks the rows between too.
func idsOf(tx *db.Tx, query string, args ...any) (ids []uuid.UUID, err error) {
	err = tx.Raw(query, args...).Scan(&ids).Error
	return ids, err
}

// countDown takes one job off a batch's count and returns the batch as it is then.
func countDown(tx *db.Tx, batch uuid.UUID, failed bool) (b batchRow, err error) {
	one := 0
	if failed {
		one = 1
	}
	if _, err := tx.Change("UPDATE batches SET pending = pending - 1, failed = failed + ? WHERE id = ?", one, batch); err != nil {
		return b, err
	}
	err = tx.Where("id = ?", batch).Take(&b).Error
	return b, err
}

// nextStage begins the stage after the given one, or finishes the flow. When
// the flow was stopped meanwhile, it begins the catch chain instead.
func (c *core) nextStage(tx *db.Tx, flow uuid.UUID, branch string, stage int) error {
	next, err := waitingJobs(tx, flow, branch, stage+1)
	if err != nil {
		return err
	}
	from := flowRunning
	if branch == branchCatch {
		from = flowCatching
	}
	if len(next) == 0 && from == flowCatching {
		return c.finish(tx, flow, flowCatching)
	}
	var n int64
	if len(next) == 0 {
		n, err = tx.Change("UPDATE flows SET state = 'done', finished_at = ? WHERE id = ? AND state = ? AND stage = ?",
			c.clock.Now(), flow, from, stage)
	} else {
		n, err = tx.Change("UPDATE flows SET stage = ? WHERE id = ? AND state = ? AND stage = ?", stage+1, flow, from, stage)
	}
	if err != nil {
		return err
	}
	if n == 0 {
		return c.beginCatch(tx, flow)
	}
	return c.beginStage(tx, flow, branch, stage+1, next)
}

// beginCatch begins the catch chain of a stopped flow whose running jobs have
// all ended; without a catch chain the flow is finished.
func (c *core) beginCatch(tx *db.Tx, flow uuid.UUID) error {
	jobs, err := waitingJobs(tx, flow, branchCatch, 0)
	if err != nil {
		return err
	}
	if len(jobs) == 0 {
		return c.finish(tx, flow, flowStopping)
	}
	n, err := tx.Change("UPDATE flows SET state = 'catching', branch = 'catch', stage = 0 WHERE id = ? AND state = 'stopping'", flow)
	if err != nil || n == 0 {
		return err
	}
	return c.beginStage(tx, flow, branchCatch, 0, jobs)
}

// finish ends a stopped flow with its verdict; catch stages that were not reached are skipped.
func (c *core) finish(tx *db.Tx, flow uuid.UUID, from string) error {
	n, err := tx.Change("UPDATE flows SET state = verdict, finished_at = ? WHERE id = ? AND state = ?", c.clock.Now(), flow, from)
	if err != nil || n == 0 {
		return err
	}
	return c.skipWaiting(tx, flow, branchCatch)
}

// skipWaiting ends the jobs of the stages of a branch that will not begin, and
// with them the counts of their batches.
func (c *core) skipWaiting(tx *db.Tx, flow uuid.UUID, branch string) error {
	waiting, err := idsOf(tx, "SELECT id FROM jobs WHERE flow_id = ? AND branch = ? AND state = 'waiting' ORDER BY id", flow, branch)
	if err != nil || len(waiting) == 0 {
		return err
	}
	for chunk := range slices.Chunk(waiting, insertChunk) {
		_, err := tx.Change("UPDATE jobs SET state = 'skipped', finished_at = ? WHERE id IN ? AND state = 'waiting'", c.clock.Now(), chunk)
		if err != nil {
			return err
		}
	}
	_, err = tx.Change(`UPDATE batches SET pending = 0 WHERE flow_id = ? AND NOT EXISTS (SELECT 1 FROM jobs j
		WHERE j.flow_id = batches.flow_id AND j.batch_id = batches.id AND j.state IN ('waiting', 'ready'))`, flow)
	return err
}

// waitingJobs returns what Redis is to be told of the jobs of a stage that has not begun.
func waitingJobs(tx *db.Tx, flow uuid.UUID, branch string, stage int) (rows []jobRow, err error) {
	err = tx.Raw(`SELECT id, kind, queue, generation, delay_ms FROM jobs
		WHERE flow_id = ? AND branch = ? AND stage = ? AND state = 'waiting'`, flow, branch, stage).Scan(&rows).Error
	return rows, err
}

// beginStage makes the jobs of a stage ready, those with the same delay in one statement.
func (c *core) beginStage(tx *db.Tx, flow uuid.UUID, branch string, stage int, rows []jobRow) error {
	now := c.clock.Now()
	begun := map[int64]bool{}
	for i := range rows {
		row := &rows[i]
		row.begin(now)
		if begun[row.DelayMs] {
			continue
		}
		begun[row.DelayMs] = true
		_, err := tx.Change(`UPDATE jobs SET state = 'ready', due_at = ?
			WHERE flow_id = ? AND branch = ? AND stage = ? AND delay_ms = ? AND state = 'waiting'`,
			*row.DueAt, flow, branch, stage, row.DelayMs)
		if err != nil {
			return err
		}
	}
	c.deliverAfter(tx, rows)
	return nil
}

// maxError is how much of an error's text a job keeps, in bytes.
const maxError = 2000

// clip makes s short enough to be stored, and valid UTF-8, or MySQL would
// refuse the row and the attempt could never be recorded.
func clip(s string) string { return strings.ToValidUTF8(s[:min(len(s), maxError)], "") }
