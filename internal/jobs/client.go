package jobs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
)

// Subject is what a flow belongs to, such as an order.
type Subject struct {
	Kind string
	ID   uuid.UUID
}

// Client starts flows and single jobs. It is safe for concurrent use.
type Client struct{ core *core }

// Beginning is a flow to be started for a subject.
type Beginning struct {
	Subject Subject
	Flow    Flow
}

// Start writes the flow and all of its jobs in the caller's transaction and
// returns the flow's id. The jobs of the first stage go to Redis after the commit.
func (c *Client) Start(tx *db.Tx, s Subject, f Flow) (uuid.UUID, error) {
	ids, err := c.StartAll(tx, Beginning{s, f})
	if err != nil {
		return uuid.Nil, err
	}
	return ids[0], nil
}

// StartAll is Start for many flows, written in as few statements as may be.
func (c *Client) StartAll(tx *db.Tx, flows ...Beginning) ([]uuid.UUID, error) {
	all := layout{core: c.core, now: c.core.clock.Now()}
	ids := make([]uuid.UUID, len(flows))
	for i, b := range flows {
		all.subject = b.Subject
		var err error
		if ids[i], err = all.addFlow(b.Flow, uuid.NullUUID{}, true); err != nil {
			return nil, err
		}
	}
	return ids, all.write(tx)
}

// Dispatch writes single jobs in the caller's transaction; they go to Redis
// after the commit. A job whose unique name another unfinished job has is dropped.
func (c *Client) Dispatch(tx *db.Tx, jobs ...Job) error {
	now := c.core.clock.Now()
	plain := make([]jobRow, 0, len(jobs))
	for _, j := range jobs {
		row := c.core.newRow(j, now)
		row.begin(now)
		if j.unique == "" {
			plain = append(plain, row)
			continue
		}
		if err := c.core.insertUnique(tx, row, j.unique); err != nil {
			return err
		}
	}
	return c.core.insert(tx, plain)
}

// maxUnique is how long a unique name may be, in bytes.
const maxUnique = 255

// insertUnique writes a job unless the name belongs to an unfinished one.
func (c *core) insertUnique(tx *db.Tx, row jobRow, name string) error {
	if len(name) > maxUnique {
		return fmt.Errorf("jobs: the unique name %.40s… is longer than %d bytes", name, maxUnique)
	}
	row.UniqueKey = &name
	err := tx.Create(&row).Error
	if errors.Is(err, db.ErrDuplicate) {
		return nil
	}
	if err == nil {
		c.deliverAfter(tx, []jobRow{row})
	}
	return err
}

// Cancel stops the running flows of a subject in the caller's transaction and
// reports whether there was one. Stages that have not begun are skipped; what
// runs may end; then the catch chain undoes what was done.
func (c *Client) Cancel(tx *db.Tx, subject uuid.UUID) (bool, error) {
	flows, err := idsOf(tx, "SELECT id FROM flows WHERE subject_id = ? AND state = 'running' AND batch_id IS NULL", subject)
	if err != nil {
		return false, err
	}
	found := false
	for _, id := range flows {
		stopped, err := c.core.stop(tx, id, flowCancelled, causeCancelled)
		if err != nil {
			return false, err
		}
		found = found || stopped
	}
	return found, nil
}

// CancelFlow is Cancel for one flow. One that is nested in a batch counts there
// as skipped, and a batch that allows no failures fails when it ends.
func (c *Client) CancelFlow(tx *db.Tx, flow uuid.UUID) (bool, error) {
	return c.core.stop(tx, flow, flowCancelled, causeCancelled)
}

// causeCancelled is the cause that a catch chain sees after a cancel.
const causeCancelled = "cancelled"

// Undo runs the catch chain of a subject's newest flow although the flow has
// succeeded, and reports whether there was such a flow. The flow ends as
// cancelled, at once when it has no catch chain.
func (c *Client) Undo(tx *db.Tx, subject uuid.UUID) (bool, error) {
	var flows []flowRow
	err := tx.Raw("SELECT id, stage, state FROM flows WHERE subject_id = ? AND batch_id IS NULL ORDER BY id DESC LIMIT 1",
		subject).Scan(&flows).Error
	if err != nil || len(flows) == 0 || flows[0].State != flowDone {
		return false, err
	}
	n, err := tx.Change(`UPDATE flows SET state = 'stopping', verdict = 'cancelled', cause = ?, finished_at = NULL
		WHERE id = ? AND state = 'done'`, causeCancelled, flows[0].ID)
	if err != nil || n == 0 {
		return false, err
	}
	return true, c.core.advance(tx, []stageRef{{flows[0].ID, branchMain, flows[0].Stage}})
}

// Wake makes the jobs of the subjects' running flows that wait, for a delay, a
// release or a retry, run now. It returns how many it woke.
func (c *Client) Wake(ctx context.Context, subjects ...uuid.UUID) (woken int, err error) {
	if len(subjects) == 0 {
		return 0, nil
	}
	err = c.core.db.Tx(ctx, func(tx *db.Tx) (err error) {
		woken, err = c.WakeIn(tx, subjects...)
		return err
	})
	return woken, err
}

// WakeIn is Wake in the caller's transaction: the jobs run once it has committed.
func (c *Client) WakeIn(tx *db.Tx, subjects ...uuid.UUID) (woken int, err error) {
	var ids []uuid.UUID
	for chunk := range slices.Chunk(subjects, insertChunk) {
		found, err := idsOf(tx, `SELECT j.id FROM jobs j JOIN flows f ON f.id = j.flow_id
			WHERE f.subject_id IN ? AND f.state = 'running' AND j.state = 'ready' AND j.branch = 'main'`, chunk)
		if err != nil {
			return 0, err
		}
		ids = append(ids, found...)
	}
	// In rising order over all chunks, as wake wants them; a subject may be named twice.
	slices.SortFunc(ids, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	return c.core.wake(tx, slices.Compact(ids))
}
