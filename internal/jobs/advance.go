package jobs

import (
	"context"
	"strings"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
)

// How a job ended, and with it what becomes of its flow.
//
// Every function here runs in the transaction that ends the job. Locks are
// taken in one order: job, what its effect touches, batch, flow, next jobs.

// complete records the job's effect and that it is done, and moves its flow on.
func (c *core) complete(ctx context.Context, row *jobRow, effect func(tx *db.Tx) error) error {
	return c.db.Tx(ctx, func(tx *db.Tx) error {
		if err := c.end(tx, row, jobDone, row.Attempts, ""); err != nil {
			return err
		}
		if effect != nil {
			if err := effect(tx); err != nil {
				return err
			}
		}
		return c.stageEnded(tx, row, false)
	})
}

// skip ends a job that was delivered after its flow had been stopped.
func (c *core) skip(ctx context.Context, row *jobRow) error {
	return c.db.Tx(ctx, func(tx *db.Tx) error {
		if err := c.end(tx, row, jobSkipped, row.Attempts, ""); err != nil {
			return err
		}
		return c.stageEnded(tx, row, false)
	})
}

// fail ends a job that is out of attempts and stops its flow, unless it is in
// a batch that allows failures.
func (c *core) fail(ctx context.Context, row *jobRow, attempts int, cause error) error {
	return c.db.Tx(ctx, func(tx *db.Tx) error {
		if err := c.end(tx, row, jobFailed, attempts, cause.Error()); err != nil {
			return err
		}
		if !row.FlowID.Valid {
			return nil
		}
		if row.BatchID.Valid {
			var b batchRow
			if err := tx.Where("id = ?", row.BatchID).Take(&b).Error; err != nil {
				return err
			}
			if b.AllowFailures {
				return c.stageEnded(tx, row, true)
			}
		}
		if row.Branch == branchCatch {
			return c.finish(tx, row.FlowID.UUID, flowCatching)
		}
		if _, err := c.stop(tx, row.FlowID.UUID, flowFailed, causeOf(cause)); err != nil {
			return err
		}
		return c.stageEnded(tx, row, true)
	})
}

// end is the conditional update that lets exactly one run end a job.
func (c *core) end(tx *db.Tx, row *jobRow, state string, attempts int, lastError string) error {
	if lastError == "" {
		lastError = row.LastError
	}
	n, err := tx.Change(`UPDATE jobs SET state = ?, attempts = ?, last_error = ?, due_at = NULL, finished_at = ?
		WHERE id = ? AND generation = ? AND state = 'ready'`,
		state, attempts, clip(lastError), c.clock.Now(), row.ID, row.Generation)
	if err == nil && n == 0 {
		return ErrSuperseded
	}
	return err
}

// stop marks a running flow as failed or cancelled and skips the stages that
// have not begun. It reports whether the flow was running.
func (c *core) stop(tx *db.Tx, flow uuid.UUID, verdict, cause string) (bool, error) {
	n, err := tx.Change("UPDATE flows SET state = 'stopping', verdict = ?, cause = ? WHERE id = ? AND state = 'running'",
		verdict, cause, flow)
	if err != nil || n == 0 {
		return false, err
	}
	if err := c.skipWaiting(tx, flow, branchMain); err != nil {
		return false, err
	}
	// What waits for its time is delivered now, to be skipped. A lost hint costs
	// only time: the job is skipped when it comes due.
	tx.After(func() {
		if _, err := c.wake(context.WithoutCancel(tx.Statement.Context), "f.id = ?", flow); err != nil {
			c.courier.log.Warn("stopped flow's jobs were not woken", "flow_id", flow, "err", err)
		}
	})
	return true, nil
}

// stageEnded counts a job that has ended and moves the flow on when it was the
// last of its stage.
func (c *core) stageEnded(tx *db.Tx, row *jobRow, failed bool) error {
	if !row.FlowID.Valid {
		return nil
	}
	if row.BatchID.Valid {
		last, err := countDown(tx, row.BatchID.UUID, failed)
		if err != nil || !last {
			return err
		}
	}
	from := flowRunning
	if row.Branch == branchCatch {
		from = flowCatching
	}
	return c.nextStage(tx, row.FlowID.UUID, row.Branch, row.Stage, from)
}

// countDown takes one job off a batch's count and reports whether it was the last.
func countDown(tx *db.Tx, batch uuid.UUID, failed bool) (last bool, err error) {
	one := 0
	if failed {
		one = 1
	}
	if _, err := tx.Change("UPDATE batches SET pending = pending - 1, failed = failed + ? WHERE id = ?", one, batch); err != nil {
		return false, err
	}
	var pending int
	err = tx.Raw("SELECT pending FROM batches WHERE id = ?", batch).Scan(&pending).Error
	return pending == 0, err
}

// nextStage begins the stage after the given one, or finishes the flow. When
// the flow was stopped meanwhile, it begins the catch chain instead.
func (c *core) nextStage(tx *db.Tx, flow uuid.UUID, branch string, stage int, from string) error {
	next, err := stageJobs(tx, flow, branch, stage+1)
	if err != nil {
		return err
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
	return c.beginJobs(tx, next)
}

// beginCatch begins the catch chain of a stopped flow whose running jobs have
// all ended; without a catch chain the flow is finished.
func (c *core) beginCatch(tx *db.Tx, flow uuid.UUID) error {
	jobs, err := stageJobs(tx, flow, branchCatch, 0)
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
	return c.beginJobs(tx, jobs)
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
	n, err := tx.Change(`UPDATE jobs SET state = 'skipped', finished_at = ?
		WHERE flow_id = ? AND branch = ? AND state = 'waiting'`, c.clock.Now(), flow, branch)
	if err != nil || n == 0 {
		return err
	}
	_, err = tx.Change(`UPDATE batches SET pending = 0 WHERE flow_id = ? AND NOT EXISTS (SELECT 1 FROM jobs j
		WHERE j.flow_id = batches.flow_id AND j.batch_id = batches.id AND j.state IN ('waiting', 'ready'))`, flow)
	return err
}

func stageJobs(tx *db.Tx, flow uuid.UUID, branch string, stage int) (rows []jobRow, err error) {
	err = tx.Where("flow_id = ? AND branch = ? AND stage = ?", flow, branch, stage).Find(&rows).Error
	return rows, err
}

// beginJobs makes the jobs of a stage ready, those with the same delay in one statement.
func (c *core) beginJobs(tx *db.Tx, rows []jobRow) error {
	now := c.clock.Now()
	byDelay := map[int64][]uuid.UUID{}
	for i := range rows {
		rows[i].begin(now)
		byDelay[rows[i].DelayMs] = append(byDelay[rows[i].DelayMs], rows[i].ID)
	}
	for _, row := range rows {
		ids := byDelay[row.DelayMs]
		if ids == nil {
			continue
		}
		delete(byDelay, row.DelayMs)
		if _, err := tx.Change("UPDATE jobs SET state = 'ready', due_at = ? WHERE id IN ? AND state = 'waiting'", *row.DueAt, ids); err != nil {
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
