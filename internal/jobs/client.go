package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"github.com/spotpool/spotpool/internal/db"
)

// Subject is what a flow belongs to, such as an order.
type Subject struct {
	Kind string
	ID   uuid.UUID
}

// Client starts flows and single jobs. It is safe for concurrent use.
type Client struct{ core *core }

// Start writes the flow and all of its jobs in the caller's transaction and
// returns the flow's id. The jobs of the first stage go to Redis after the commit.
func (c *Client) Start(tx *db.Tx, s Subject, f Flow) (uuid.UUID, error) {
	if len(f.main) == 0 {
		return uuid.Nil, errors.New("jobs: a flow needs at least one stage")
	}
	now := c.core.clock.Now()
	flow := flowRow{
		ID: uuid.Must(uuid.NewV7()), SubjectKind: s.Kind, SubjectID: s.ID, Sentence: clip(f.String()),
		State: flowRunning, Branch: branchMain, CreatedAt: now,
	}
	jobs, batches, err := c.core.layOut(flow.ID, f, now)
	if err != nil {
		return uuid.Nil, err
	}
	if err := tx.Create(&flow).Error; err != nil {
		return uuid.Nil, err
	}
	if len(batches) > 0 {
		if err := tx.Create(&batches).Error; err != nil {
			return uuid.Nil, err
		}
	}
	return flow.ID, c.core.insert(tx, jobs)
}

// Dispatch writes single jobs in the caller's transaction; they go to Redis after the commit.
func (c *Client) Dispatch(tx *db.Tx, jobs ...Job) error {
	if len(jobs) == 0 {
		return nil
	}
	now := c.core.clock.Now()
	rows := make([]jobRow, len(jobs))
	for i, j := range jobs {
		rows[i] = c.core.newRow(j, now)
		rows[i].begin(now)
	}
	return c.core.insert(tx, rows)
}

// insertChunk bounds the rows of one INSERT well below both databases' limit on its parameters.
const insertChunk = 500

func (c *core) insert(tx *db.Tx, rows []jobRow) error {
	if err := tx.CreateInBatches(&rows, insertChunk).Error; err != nil {
		return err
	}
	c.deliverAfter(tx, rows)
	return nil
}

// layOut turns a flow into rows, those of its first stage ready.
func (c *core) layOut(flow uuid.UUID, f Flow, now time.Time) (jobs []jobRow, batches []batchRow, err error) {
	for _, b := range []struct {
		name   string
		stages []Stage
	}{{branchMain, f.main}, {branchCatch, f.catch}} {
		for n, stage := range b.stages {
			members := stage.members()
			if len(members) == 0 {
				return nil, nil, fmt.Errorf("jobs: stage %d of %q is an empty batch", n+1, f)
			}
			var batch uuid.NullUUID
			if s, ok := stage.(BatchOfJobs); ok {
				batch = uuid.NullUUID{UUID: uuid.Must(uuid.NewV7()), Valid: true}
				batches = append(batches, batchRow{batch.UUID, flow, len(members), len(members), 0, s.allowFailures})
			}
			for i, j := range members {
				row := c.newRow(j, now)
				row.FlowID = uuid.NullUUID{UUID: flow, Valid: true}
				row.BatchID, row.Branch, row.Stage, row.Position = batch, b.name, n, i
				if b.name == branchMain && n == 0 {
					row.begin(now)
				}
				jobs = append(jobs, row)
			}
		}
	}
	return jobs, batches, nil
}

// Cancel stops the running flows of a subject in the caller's transaction and
// reports whether there was one. Stages that have not begun are skipped; what
// runs may end; then the catch chain undoes what was done.
func (c *Client) Cancel(tx *db.Tx, subject uuid.UUID) (bool, error) {
	var flows []uuid.UUID
	err := tx.Raw("SELECT id FROM flows WHERE subject_id = ? AND state = ?", subject, flowRunning).Scan(&flows).Error
	if err != nil {
		return false, err
	}
	found := false
	for _, id := range flows {
		stopped, err := c.core.stop(tx, id, flowCancelled, "cancelled")
		if err != nil {
			return false, err
		}
		found = found || stopped
	}
	return found, nil
}

// Undo runs the catch chain of a subject's newest flow although the flow has
// succeeded, and reports whether there was such a flow. The flow ends as
// cancelled, at once when it has no catch chain.
func (c *Client) Undo(tx *db.Tx, subject uuid.UUID) (bool, error) {
	var flows []uuid.UUID
	err := tx.Raw("SELECT id FROM flows WHERE subject_id = ? AND state = 'done' ORDER BY id DESC LIMIT 1", subject).Scan(&flows).Error
	if err != nil || len(flows) == 0 {
		return false, err
	}
	n, err := tx.Change(`UPDATE flows SET state = 'stopping', verdict = 'cancelled', cause = 'cancelled', finished_at = NULL
		WHERE id = ? AND state = 'done'`, flows[0])
	if err != nil || n == 0 {
		return false, err
	}
	return true, c.core.beginCatch(tx, flows[0])
}

// Wake makes the jobs of the subjects' running flows that wait, for a delay, a
// release or a retry, run now, and returns how many it made run. A job that is
// running at the moment and then releases itself runs again at once.
func (c *Client) Wake(ctx context.Context, subjects ...uuid.UUID) (woken int, err error) {
	if len(subjects) == 0 {
		return 0, nil
	}
	err = c.core.db.Tx(ctx, func(tx *db.Tx) error {
		ready, err := idsOf(tx, `SELECT j.id FROM jobs j JOIN flows f ON f.id = j.flow_id
			WHERE f.subject_id IN ? AND f.state = 'running' AND j.state = 'ready' ORDER BY j.id`, subjects)
		if err == nil {
			woken, err = c.core.wake(tx, ready)
		}
		return err
	})
	return woken, err
}

// FlowView is a flow as a reader sees it.
type FlowView struct {
	ID     uuid.UUID
	Text   string
	State  string // running, stopping, catching, done, failed, cancelled
	Cause  string // why it was stopped, else empty
	Stages []StageView
}

// StageView is one stage of a flow, main chain first.
type StageView struct {
	Branch string // main or catch
	State  string // waiting, running, done, failed, skipped
	Jobs   []JobView
}

// JobView is one job of a stage.
type JobView struct {
	ID        uuid.UUID
	Kind      string
	State     string
	Attempts  int // failed attempts
	LastError string
	DueAt     *time.Time // while it is ready: when it may run
}

// FlowOf returns the newest flow of a subject; ok is false when there is none.
func (c *Client) FlowOf(ctx context.Context, subject uuid.UUID) (v FlowView, ok bool, err error) {
	var flow flowRow
	read := c.core.db.Read(ctx)
	err = read.Where("subject_id = ?", subject).Order("id DESC").Take(&flow).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return v, false, nil
	}
	if err != nil {
		return v, false, err
	}
	var rows []jobRow
	// "main" sorts after "catch", hence DESC.
	if err := read.Where("flow_id = ?", flow.ID).Order("branch DESC, stage, position").Find(&rows).Error; err != nil {
		return v, false, err
	}
	v = FlowView{ID: flow.ID, Text: flow.Sentence, State: flow.State, Cause: flow.Cause}
	for i, row := range rows {
		if i == 0 || row.Branch != rows[i-1].Branch || row.Stage != rows[i-1].Stage {
			v.Stages = append(v.Stages, StageView{Branch: row.Branch})
		}
		s := &v.Stages[len(v.Stages)-1]
		s.Jobs = append(s.Jobs, JobView{row.ID, row.Kind, row.State, row.Attempts, row.LastError, row.DueAt})
	}
	for i := range v.Stages {
		v.Stages[i].State = stageState(v.Stages[i].Jobs)
	}
	return v, true, nil
}

// stageState sums up the states of a stage's jobs: running while one is ready,
// else the worst of what they ended as.
func stageState(jobs []JobView) string {
	for _, state := range []string{jobReady, jobFailed, jobWaiting, jobSkipped} {
		for _, j := range jobs {
			if j.State == state {
				if state == jobReady {
					return "running"
				}
				return state
			}
		}
	}
	return jobDone
}
