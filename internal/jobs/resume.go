package jobs

import (
	"errors"
	"slices"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/fault"
)

// Why a failed job cannot be taken up again.
var (
	ErrNotFailed = fault.New(fault.Conflict, "job_not_failed", "the job is not among the failed ones")
	ErrFlowBusy  = fault.New(fault.Conflict, "flow_busy", "the job's flow is still being undone; try again later")
	ErrFlowOver  = fault.New(fault.Conflict, "flow_over", "the job's flow was stopped by something else and is not taken up again")
)

// resume takes a failed job up again with fresh attempts, and with it its batch
// and its flow: what was skipped because the job failed waits for its turn again,
// and so does the catch chain, although it has run. Flows nested beside the job
// that were cancelled, and so undone, start anew.
func (c *core) resume(tx *db.Tx, id uuid.UUID) error {
	var row jobRow
	err := tx.Clauses(db.ForUpdate).Where("id = ?", id).Take(&row).Error
	if errors.Is(err, db.ErrNotFound) {
		return c.startAnew(tx, id)
	}
	if err != nil {
		return err
	}
	if row.State != jobFailed {
		return ErrNotFailed
	}
	if err := lockAround(tx, row.FlowID); err != nil {
		return err
	}
	if row.FlowID.Valid && row.Branch != branchCallback {
		ref := stageRef{row.FlowID.UUID, row.Branch, row.Stage}
		if err := c.reopen(tx, ref, row.BatchID); err != nil {
			return err
		}
	}
	return c.revive(tx, []jobRow{row})
}

// lockAround locks the flow of a job that is taken up again and those that it is
// nested in, so that none is pruned which now has a job to run.
func lockAround(tx *db.Tx, flow uuid.NullUUID) error {
	for flow.Valid {
		var row flowRow
		if err := tx.Clauses(db.ForUpdate).Where("id = ?", flow).Take(&row).Error; err != nil {
			return err
		}
		flow = uuid.NullUUID{}
		if row.BatchID.Valid {
			if err := tx.Raw("SELECT flow_id FROM job_batches WHERE id = ?", row.BatchID).Scan(&flow).Error; err != nil {
				return err
			}
		}
	}
	return nil
}

// startAnew writes a failed job that was pruned with its flow as a single job.
func (c *core) startAnew(tx *db.Tx, id uuid.UUID) error {
	var f failedRow
	if err := tx.Where("job_id = ?", id).Take(&f).Error; err != nil {
		return err
	}
	row := jobRow{
		ID: f.JobID, Branch: branchMain, Kind: f.Kind, Queue: f.Queue, Args: f.Args, Sealed: f.Sealed, Tags: f.Tags, CreatedAt: c.clock.Now(),
	}
	row.begin(row.CreatedAt)
	return c.insert(tx, []jobRow{row})
}

// revive makes ended jobs ready anew, with fresh attempts and another delivery,
// so that no run of before counts.
func (c *core) revive(tx *db.Tx, rows []jobRow) error {
	now := c.clock.Now()
	for i := range rows {
		row := &rows[i]
		row.DelayMs = 0
		row.begin(now)
		row.Generation++
		_, err := tx.Change(`UPDATE jobs SET state = 'ready', generation = ?, attempts = 0, retry_until = NULL, due_at = ?, finished_at = NULL
			WHERE id = ?`, row.Generation, now, row.ID)
		if err != nil {
			return err
		}
	}
	c.deliverAfter(tx, rows)
	return nil
}

// reopen makes a stage unfinished again by one failed member, and has its flow
// go on from there when it was that failure which stopped it.
func (c *core) reopen(tx *db.Tx, ref stageRef, batch uuid.NullUUID) error {
	var flow flowRow
	if err := tx.Clauses(db.ForUpdate).Where("id = ?", ref.flow).Take(&flow).Error; err != nil {
		return err
	}
	var b batchRow
	if batch.Valid {
		_, err := tx.Change("UPDATE job_batches SET pending = pending + 1, failed = failed - 1 WHERE id = ?", batch.UUID)
		if err != nil {
			return err
		}
		if err := tx.Where("id = ?", batch.UUID).Take(&b).Error; err != nil {
			return err
		}
	}
	catching := ref.branch == branchCatch
	switch flow.State {
	case flowRunning, flowDone: // it goes on, or went on, without the job
		return nil
	case flowCatching:
		if !catching {
			return ErrFlowBusy
		}
		if flow.Stage != ref.stage {
			return nil
		}
		return c.rewind(tx, ref.flow, branchCatch, ref.stage+1)
	case flowStopping:
		return ErrFlowBusy
	case flowCancelled:
		if !catching {
			return ErrFlowOver
		}
	}
	if b.AllowFailures {
		return ErrFlowOver // another failure stopped it
	}
	return c.restart(tx, flow, ref, batch)
}

// restart has a flow that is over go on at the stage.
func (c *core) restart(tx *db.Tx, flow flowRow, ref stageRef, batch uuid.NullUUID) error {
	var err error
	if ref.branch == branchCatch {
		// The flow has ended, and was counted where it is nested: that stays.
		_, err = tx.Change("UPDATE flows SET state = 'catching', branch = 'catch', stage = ? WHERE id = ?", ref.stage, ref.flow)
	} else if err = c.rewind(tx, ref.flow, branchCatch, 0); err == nil {
		_, err = tx.Change(`UPDATE flows SET state = 'running', branch = 'main', stage = ?, verdict = '', cause = '', finished_at = NULL
			WHERE id = ?`, ref.stage, ref.flow)
	}
	if err != nil {
		return err
	}
	if err := c.rewind(tx, ref.flow, ref.branch, ref.stage+1); err != nil {
		return err
	}
	if batch.Valid {
		if err := c.restartSkipped(tx, ref.flow, batch.UUID); err != nil {
			return err
		}
	}
	if !flow.BatchID.Valid || ref.branch == branchCatch {
		return nil
	}
	var outer batchRow
	if err := tx.Where("id = ?", flow.BatchID).Take(&outer).Error; err != nil {
		return err
	}
	return c.reopen(tx, stageRef{outer.FlowID, outer.Branch, outer.Stage}, flow.BatchID)
}

// restartSkipped begins those members of a batch anew that were skipped or cancelled.
func (c *core) restartSkipped(tx *db.Tx, flow, batch uuid.UUID) error {
	var rows []jobRow
	err := tx.Where("flow_id = ? AND batch_id = ? AND state = 'skipped' AND branch <> 'callback'", flow, batch).Order("id").Find(&rows).Error
	if err != nil {
		return err
	}
	if err := c.revive(tx, rows); err != nil {
		return err
	}
	nested, err := idsOf(tx, "SELECT id FROM flows WHERE batch_id = ? AND state IN ('cancelled', 'skipped') ORDER BY id", batch)
	if err != nil {
		return err
	}
	for _, id := range nested {
		if err := c.rewindFlow(tx, id); err != nil {
			return err
		}
	}
	if n := len(rows) + len(nested); n > 0 {
		_, err = tx.Change("UPDATE job_batches SET pending = pending + ?, skipped = skipped - ? WHERE id = ?", n, n, batch)
		if err != nil {
			return err
		}
	}
	return c.begin(tx, &beginnings{flows: nested})
}

// rewindFlow has a nested flow that is over wait for its beginning again.
func (c *core) rewindFlow(tx *db.Tx, id uuid.UUID) error {
	_, err := tx.Change(`UPDATE flows SET state = 'waiting', branch = 'main', stage = 0, verdict = '', cause = '', finished_at = NULL
		WHERE id = ?`, id)
	if err != nil {
		return err
	}
	if err := c.rewind(tx, id, branchMain, 0); err != nil {
		return err
	}
	return c.rewind(tx, id, branchCatch, 0)
}

// rewind has the jobs and batches of a branch wait again, from a stage on.
func (c *core) rewind(tx *db.Tx, flow uuid.UUID, branch string, from int) error {
	ids, err := idsOf(tx, "SELECT id FROM jobs WHERE flow_id = ? AND branch = ? AND stage >= ? ORDER BY id", flow, branch, from)
	if err != nil {
		return err
	}
	for chunk := range slices.Chunk(ids, insertChunk) {
		_, err := tx.Change(`UPDATE jobs SET state = 'waiting', generation = generation + 1, attempts = 0, retry_until = NULL, due_at = NULL, finished_at = NULL
			WHERE id IN ?`, chunk)
		if err != nil {
			return err
		}
		_, err = tx.Change("UPDATE failed_jobs SET retried_at = ? WHERE job_id IN ? AND retried_at IS NULL", c.clock.Now(), chunk)
		if err != nil {
			return err
		}
	}
	_, err = tx.Change(`UPDATE job_batches SET pending = total, failed = 0, skipped = 0, finished_at = NULL, caught = ?
		WHERE flow_id = ? AND branch = ? AND stage >= ?`, false, flow, branch, from)
	if err != nil {
		return err
	}
	nested, err := idsOf(tx, `SELECT f.id FROM job_batches b JOIN flows f ON f.batch_id = b.id
		WHERE b.flow_id = ? AND b.branch = ? AND b.stage >= ? ORDER BY f.id`, flow, branch, from)
	for _, id := range nested {
		if err == nil {
			err = c.rewindFlow(tx, id)
		}
	}
	return err
}
