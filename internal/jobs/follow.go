package jobs

import (
	"bytes"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
)

// following is what comes after a job that is a stage by itself, as it was read
// with the job. It saves the transaction that ends the job from looking for it.
type following struct {
	known bool
	id    uuid.NullUUID // of the job that is the next stage; none: the flow ends
	kind  string
	queue string
}

// followed reads what comes after jobs together with them: a further job that
// waits by itself, or the end of a flow that is nested nowhere. The rest is left to
// advance.
const followed = `LEFT JOIN jobs n ON n.flow_id = j.flow_id AND n.branch = 'main' AND n.stage = j.stage + 1 AND n.position = 0
	AND j.branch = 'main' AND j.batch_id IS NULL`

// isKnown is true where what comes after a job is as followed reads it.
const isKnown = `COALESCE(f.state = 'running' AND NOT f.nests AND j.branch = 'main' AND j.batch_id IS NULL AND
	CASE WHEN n.id IS NULL THEN f.batch_id IS NULL
	ELSE n.state = 'waiting' AND n.batch_id IS NULL AND n.delay_ms = 0 AND n.generation = 0 END, FALSE)`

// known reports whether the ending moves its flow on in the way that was read
// with its job.
func (e *ending) known() bool { return e.row.next.known && e.state == jobDone }

// goOn moves the flows of endings that are known on: those that stand alike in one
// statement. It returns errContested when a flow, or the job that comes next, is no
// longer as it was read: it was stopped, say.
func (c *core) goOn(tx *db.Tx, es []*ending) error {
	type place struct {
		stage int
		last  bool
	}
	flows := map[place][]uuid.UUID{}
	now := c.clock.Now()
	var begun []jobRow
	for _, e := range es {
		next := e.row.next
		at := place{e.row.Stage, !next.id.Valid}
		flows[at] = append(flows[at], e.row.FlowID.UUID)
		if next.id.Valid {
			begun = append(begun, jobRow{ID: next.id.UUID, Kind: next.kind, Queue: next.queue})
		}
	}
	for at, ids := range flows {
		how, args := "stage = stage + 1", []any{}
		if at.last {
			how, args = "state = 'done', finished_at = ?", append(args, now)
		}
		err := changeEach(tx, ids, "UPDATE flows SET "+how+" WHERE id IN ? AND state = 'running' AND branch = 'main' AND stage = ?",
			append(args, ids, at.stage)...)
		if err != nil {
			return err
		}
	}
	return c.beginKnown(tx, begun, now)
}

// beginKnown makes jobs ready that wait with no delay.
func (c *core) beginKnown(tx *db.Tx, rows []jobRow, now time.Time) error {
	if len(rows) == 0 {
		return nil
	}
	slices.SortFunc(rows, func(a, b jobRow) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	ids := make([]uuid.UUID, len(rows))
	for i := range rows {
		rows[i].begin(now)
		ids[i] = rows[i].ID
	}
	err := changeEach(tx, ids, "UPDATE jobs SET state = 'ready', due_at = ? WHERE id IN ? AND state = 'waiting' AND generation = 0", now, ids)
	if err != nil {
		return err
	}
	c.deliverAfter(tx, rows)
	return nil
}

// changeEach runs a statement that is to change the rows of all ids, and returns
// errContested when it did not.
func changeEach(tx *db.Tx, ids []uuid.UUID, query string, args ...any) error {
	n, err := tx.Change(query, args...)
	if err == nil && int(n) < len(ids) {
		err = errContested
	}
	return err
}
