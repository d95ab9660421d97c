package jobs

import (
	"slices"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
)

// stop marks a running flow as failed or cancelled, skips the stages that have
// not begun, stops the flows nested in the stage that runs, and has what waits
// for its time delivered now, to be skipped too. It reports whether the flow was
// running.
func (c *core) stop(tx *db.Tx, flow uuid.UUID, verdict, cause string) (bool, error) {
	n, err := tx.Change("UPDATE flows SET state = 'stopping', verdict = ?, cause = ? WHERE id = ? AND state = 'running'",
		verdict, cause, flow)
	if err != nil || n == 0 {
		return false, err
	}
	if err := c.skipWaiting(tx, flow, branchMain); err != nil {
		return false, err
	}
	ready, err := idsOf(tx, "SELECT id FROM jobs WHERE flow_id = ? AND branch = 'main' AND state = 'ready' ORDER BY id", flow)
	if err != nil {
		return false, err
	}
	if _, err = c.wake(tx, ready); err != nil {
		return false, err
	}
	return true, c.eachNested(tx, flow, flowRunning, func(nested uuid.UUID) error {
		_, err := c.stop(tx, nested, flowCancelled, causeCancelled)
		return err
	})
}

// eachNested calls fn with each flow in the given state that is nested in a batch of the flow.
func (c *core) eachNested(tx *db.Tx, flow uuid.UUID, state string, fn func(nested uuid.UUID) error) error {
	var row flowRow
	if err := tx.Raw("SELECT nests FROM flows WHERE id = ?", flow).Take(&row).Error; err != nil || !row.Nests {
		return err
	}
	ids, err := idsOf(tx, `SELECT f.id FROM job_batches b JOIN flows f ON f.batch_id = b.id
		WHERE b.flow_id = ? AND f.state = ? ORDER BY f.id`, flow, state)
	for _, id := range ids {
		if err == nil {
			err = fn(id)
		}
	}
	return err
}

// skipWaiting ends the jobs of the stages of a branch that will not begin, their
// batches, and the flows nested in those.
func (c *core) skipWaiting(tx *db.Tx, flow uuid.UUID, branch string) error {
	waiting, err := idsOf(tx, "SELECT id FROM jobs WHERE flow_id = ? AND branch = ? AND state = 'waiting' ORDER BY id", flow, branch)
	if err != nil {
		return err
	}
	now := c.clock.Now()
	for chunk := range slices.Chunk(waiting, insertChunk) {
		_, err := tx.Change("UPDATE jobs SET state = 'skipped', finished_at = ? WHERE id IN ? AND state = 'waiting'", now, chunk)
		if err != nil {
			return err
		}
	}
	var row flowRow
	if err := tx.Raw("SELECT state, branch, stage, nests FROM flows WHERE id = ?", flow).Take(&row).Error; err != nil {
		return err
	}
	begun := row.Stage // no batch lies between it and the last stage that has begun
	if row.Branch != branch || row.State == flowSkipped {
		begun = -1
	}
	_, err = tx.Change(`UPDATE job_batches SET skipped = skipped + pending, pending = 0
		WHERE flow_id = ? AND branch = ? AND stage > ? AND pending > 0`, flow, branch, begun)
	if err != nil || !row.Nests {
		return err
	}
	return c.eachNested(tx, flow, flowWaiting, func(nested uuid.UUID) error { return c.skipNested(tx, nested, branch) })
}

// skipNested ends a nested flow that will not begin.
func (c *core) skipNested(tx *db.Tx, flow uuid.UUID, branch string) error {
	// Those that wait for the other branch of the flow that nests them stay.
	n, err := tx.Change(`UPDATE flows SET state = 'skipped', finished_at = ? WHERE id = ? AND state = 'waiting'
		AND batch_id IN (SELECT id FROM job_batches WHERE branch = ?)`, c.clock.Now(), flow, branch)
	if err != nil || n == 0 {
		return err
	}
	for _, b := range []string{branchMain, branchCatch} {
		if err := c.skipWaiting(tx, flow, b); err != nil {
			return err
		}
	}
	return nil
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
