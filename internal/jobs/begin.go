package jobs

import (
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
)

// beginnings is what begins with the next stages of some flows.
type beginnings struct {
	any   map[stageRef]bool // the stages that exist
	jobs  []jobRow
	flows []uuid.UUID // nested ones
}

// beginnings reads what waits for the next stages of the steps.
func (c *core) beginnings(tx *db.Tx, steps []step) (*beginnings, error) {
	refs := make([]stageRef, len(steps))
	var nesting []uuid.UUID
	for i, s := range steps {
		refs[i] = s.next
		if s.flow.Nests {
			nesting = append(nesting, s.flow.ID)
		}
	}
	b := &beginnings{any: map[stageRef]bool{}}
	if err := b.readJobs(tx, refs); err != nil || len(nesting) == 0 {
		return b, err
	}
	var nested []struct {
		ID, Parent uuid.UUID
		Branch     string
		Stage      int
	}
	err := tx.Raw(`SELECT f.id, b.flow_id AS parent, b.branch, b.stage FROM job_batches b JOIN flows f ON f.batch_id = b.id
		WHERE b.flow_id IN ? AND f.state = 'waiting' ORDER BY f.id`, nesting).Scan(&nested).Error
	for _, n := range nested {
		if ref := (stageRef{n.Parent, n.Branch, n.Stage}); slices.Contains(refs, ref) {
			b.any[ref] = true
			b.flows = append(b.flows, n.ID)
		}
	}
	return b, err
}

// refChunk bounds how many stages one query asks for.
const refChunk = 100

// readJobs reads the jobs that wait for the stages.
func (b *beginnings) readJobs(tx *db.Tx, refs []stageRef) error {
	for chunk := range slices.Chunk(refs, refChunk) {
		var args []any
		for _, ref := range chunk {
			args = append(args, ref.flow, ref.branch, ref.stage)
		}
		either := strings.TrimPrefix(strings.Repeat(" OR (flow_id = ? AND branch = ? AND stage = ?)", len(chunk)), " OR ")
		var rows []jobRow
		// While a table is new, the server believes that reading all of it is cheaper.
		err := tx.Raw(`SELECT id, flow_id, branch, stage, kind, queue, generation, delay_ms FROM jobs /*! FORCE INDEX (jobs_by_place) */
			WHERE state = 'waiting' AND (`+either+") ORDER BY id", args...).Scan(&rows).Error
		if err != nil {
			return err
		}
		for _, row := range rows {
			b.any[stageRef{row.FlowID.UUID, row.Branch, row.Stage}] = true
		}
		b.jobs = append(b.jobs, rows...)
	}
	return nil
}

// begin makes jobs ready, and begins nested flows with their first stages.
func (c *core) begin(tx *db.Tx, b *beginnings) error {
	if err := c.beginJobs(tx, b.jobs); err != nil || len(b.flows) == 0 {
		return err
	}
	var nests []flowRow
	var steps []step
	for chunk := range slices.Chunk(b.flows, insertChunk) {
		if _, err := tx.Change("UPDATE flows SET state = 'running' WHERE id IN ? AND state = 'waiting'", chunk); err != nil {
			return err
		}
		if err := tx.Raw("SELECT id, nests FROM flows WHERE id IN ?", chunk).Scan(&nests).Error; err != nil {
			return err
		}
		for _, f := range nests {
			steps = append(steps, step{flow: f, next: stageRef{f.ID, branchMain, 0}})
		}
	}
	inner, err := c.beginnings(tx, steps)
	if err != nil {
		return err
	}
	return c.begin(tx, inner)
}

// beginJobs makes jobs ready, those with the same delay in one statement.
func (c *core) beginJobs(tx *db.Tx, rows []jobRow) error {
	now := c.clock.Now()
	byDelay := map[int64][]uuid.UUID{}
	for i := range rows {
		rows[i].begin(now)
		byDelay[rows[i].DelayMs] = append(byDelay[rows[i].DelayMs], rows[i].ID)
	}
	for delay, ids := range byDelay {
		first := jobRow{DelayMs: delay}
		first.begin(now)
		for chunk := range slices.Chunk(ids, insertChunk) {
			_, err := tx.Change("UPDATE jobs SET state = 'ready', due_at = ? WHERE id IN ? AND state = 'waiting'", *first.DueAt, chunk)
			if err != nil {
				return err
			}
		}
	}
	c.deliverAfter(tx, rows)
	return nil
}
