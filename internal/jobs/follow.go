package jobs

import (
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
)

// following is what comes after a job that is a stage by itself, as it stood when
// the job was read or written. It saves the transaction that ends the job from
// looking for it.
type following struct {
	known bool
	job   *jobRow // that is the next stage; nil: the flow ends
	whole bool    // whether job is all of its row, and not just what delivers it
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

// link notes in the rows of flows that are about to be written what followed would
// read. The rows of a flow stand together, the stages of its main chain in order.
func (l *layout) link() {
	flows := make(map[uuid.UUID]*flowRow, len(l.flows))
	for i := range l.flows {
		flows[l.flows[i].ID] = &l.flows[i]
	}
	for i := range l.jobs {
		row := &l.jobs[i]
		flow := flows[row.FlowID.UUID]
		if flow != nil {
			row.FlowState = flow.State
		}
		if flow == nil || flow.Nests || flow.BatchID.Valid || row.BatchID.Valid || row.Branch != branchMain {
			continue
		}
		if i+1 == len(l.jobs) || l.jobs[i+1].FlowID != row.FlowID || l.jobs[i+1].Branch != branchMain {
			row.next = following{known: true}
		} else if next := &l.jobs[i+1]; !next.BatchID.Valid && next.DelayMs == 0 {
			row.next = following{known: true, job: next, whole: true}
		}
	}
}

// known reports whether the ending moves its flow on in the way that was read
// with its job.
func (e *ending) known() bool { return e.row.next.known && e.state == jobDone }

// plain reports whether nothing but the ending is to be recorded.
func (e *ending) plain() bool { return e.known() && e.effect == nil && e.note == "" }

// relay ends jobs that are known and plain, begins those that come next in the same
// statement, and moves the flows on. It returns errContested as goOn does, or when
// one of the endings came too late.
func (c *core) relay(tx *db.Tx, es []*ending) error {
	byGeneration := map[int][]*ending{}
	for _, e := range es {
		byGeneration[e.row.Generation] = append(byGeneration[e.row.Generation], e)
	}
	now := c.clock.Now()
	for generation, alike := range byGeneration {
		ended := make([]uuid.UUID, len(alike))
		for i, e := range alike {
			ended[i] = e.row.ID
		}
		begun := idsAfter(alike)
		// MySQL lets an assignment see those to its left, so the state comes last.
		err := changeEach(tx, len(ended)+len(begun), `UPDATE jobs SET due_at = CASE state WHEN 'waiting' THEN ? END,
			finished_at = CASE state WHEN 'ready' THEN ? END, unique_key = NULL, note = '',
			state = CASE state WHEN 'waiting' THEN 'ready' ELSE 'done' END
			WHERE (id IN ? AND state = 'ready' AND generation = ?) OR (id IN ? AND state = 'waiting' AND generation = 0)`,
			now, now, ended, generation, begun)
		if err != nil {
			return err
		}
	}
	return c.moveFlows(tx, es, now)
}

// goOn moves the flows of endings that are known on, to the jobs that come next. It
// returns errContested when a flow, or such a job, is no longer as it was read: it
// was stopped, say.
func (c *core) goOn(tx *db.Tx, es []*ending) error {
	now := c.clock.Now()
	if begun := idsAfter(es); len(begun) > 0 {
		err := changeEach(tx, len(begun), "UPDATE jobs SET state = 'ready', due_at = ? WHERE id IN ? AND state = 'waiting' AND generation = 0",
			now, begun)
		if err != nil {
			return err
		}
	}
	return c.moveFlows(tx, es, now)
}

// idsAfter returns the ids of the jobs that come after those that end.
func idsAfter(es []*ending) (ids []uuid.UUID) {
	for _, e := range es {
		if next := e.row.next.job; next != nil {
			ids = append(ids, next.ID)
		}
	}
	return ids
}

// moveFlows has the jobs that come next delivered and ends the flows that have none.
// Flows that go on stay as they are: who stops one ends the job that waits, too.
func (c *core) moveFlows(tx *db.Tx, es []*ending, now time.Time) error {
	var begun []jobRow
	var over []uuid.UUID
	for _, e := range es {
		next := e.row.next
		if next.job == nil {
			over = append(over, e.row.FlowID.UUID)
			continue
		}
		row := *next.job
		row.begin(now)
		row.whole, row.FlowState = next.whole, flowRunning
		begun = append(begun, row)
	}
	c.deliverAfter(tx, begun)
	if len(over) == 0 {
		return nil
	}
	return changeEach(tx, len(over), "UPDATE flows SET state = 'done', finished_at = ? WHERE id IN ? AND state = 'running' AND branch = 'main'",
		now, over)
}

// changeEach runs a statement that is to change n rows, and returns errContested
// when it did not.
func changeEach(tx *db.Tx, n int, query string, args ...any) error {
	changed, err := tx.Change(query, args...)
	if err == nil && int(changed) < n {
		err = errContested
	}
	return err
}
