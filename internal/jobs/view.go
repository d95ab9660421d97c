package jobs

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"github.com/spotpool/spotpool/internal/db"
)

// FlowView is a flow as a reader sees it.
type FlowView struct {
	ID         uuid.UUID
	Around     uuid.NullUUID // the flow that it is nested in; not known in lists
	Subject    Subject
	Text       string
	State      string // running, stopping, catching, done, failed, cancelled; nested ones also waiting, skipped
	Cause      string // why it was stopped, else empty
	CreatedAt  time.Time
	FinishedAt *time.Time
	Stages     []StageView // empty in lists
}

// StageView is one stage of a flow, main chain first, then the catch chain, then
// the callbacks that its batches have started.
type StageView struct {
	Branch string // main, catch or callback
	State  string // waiting, running, done, failed, skipped
	Batch  *BatchView
	Jobs   []JobView
	Flows  []FlowView // nested in the stage's batch
}

// BatchView is a batch's count of its members.
type BatchView struct {
	ID         uuid.UUID
	FlowID     uuid.UUID
	Total      int
	Pending    int
	Failed     int
	Skipped    int
	CreatedAt  time.Time
	FinishedAt *time.Time
}

// Done returns how many members have succeeded.
func (b BatchView) Done() int { return b.Total - b.Pending - b.Failed - b.Skipped }

// Percent returns how much of the batch has ended, from 0 to 100.
func (b BatchView) Percent() int {
	if b.Total == 0 {
		return 100
	}
	return 100 * (b.Total - b.Pending) / b.Total
}

func (b batchRow) view() *BatchView {
	return &BatchView{b.ID, b.FlowID, b.Total, b.Pending, b.Failed, b.Skipped, b.CreatedAt, b.FinishedAt}
}

// JobView is one job of a stage.
type JobView struct {
	ID        uuid.UUID
	Kind      string
	State     string
	Attempts  int // failed attempts
	LastError string
	Note      string
	DueAt     *time.Time // while it is ready: when it may run
}

func (f flowRow) view() FlowView {
	return FlowView{
		ID: f.ID, Subject: Subject{f.SubjectKind, f.SubjectID}, Text: f.Sentence, State: f.State, Cause: f.Cause,
		CreatedAt: f.CreatedAt, FinishedAt: f.FinishedAt,
	}
}

// FlowOf returns the newest flow of a subject; ok is false when there is none.
func (c *Client) FlowOf(ctx context.Context, subject uuid.UUID) (v FlowView, ok bool, err error) {
	return c.core.viewOf(c.core.db.Read(ctx), "subject_id = ? AND batch_id IS NULL", subject)
}

// Flow returns the flow of that id, a nested one too; ok is false when there is none.
func (c *Client) Flow(ctx context.Context, id uuid.UUID) (v FlowView, ok bool, err error) {
	return c.core.viewOf(c.core.db.Read(ctx), "id = ?", id)
}

// Batch returns the counts of a batch, or db.ErrNotFound.
func (c *Client) Batch(ctx context.Context, id uuid.UUID) (BatchView, error) {
	var b batchRow
	if err := c.core.db.Read(ctx).Where("id = ?", id).Take(&b).Error; err != nil {
		return BatchView{}, err
	}
	return *b.view(), nil
}

func (c *core) viewOf(read *gorm.DB, where string, args ...any) (v FlowView, ok bool, err error) {
	var flow flowRow
	err = read.Session(&gorm.Session{}).Where(where, args...).Order("id DESC").Take(&flow).Error
	if errors.Is(err, db.ErrNotFound) {
		return v, false, nil
	}
	if err != nil {
		return v, false, err
	}
	if v, err = c.view(read, flow); err == nil && flow.BatchID.Valid {
		err = read.Session(&gorm.Session{}).Raw("SELECT flow_id FROM job_batches WHERE id = ?", flow.BatchID).Scan(&v.Around).Error
	}
	return v, err == nil, err
}

// view returns a flow with its stages and the flows nested in them.
func (c *core) view(read *gorm.DB, flow flowRow) (v FlowView, err error) {
	v = flow.view()
	var rows []jobRow
	if err := read.Session(&gorm.Session{}).Where("flow_id = ?", flow.ID).Find(&rows).Error; err != nil {
		return v, err
	}
	var batches []batchRow
	if err := read.Session(&gorm.Session{}).Where("flow_id = ?", flow.ID).Find(&batches).Error; err != nil {
		return v, err
	}
	var nested []flowRow
	if flow.Nests {
		err := read.Session(&gorm.Session{}).
			Where("batch_id IN (SELECT id FROM job_batches WHERE flow_id = ?)", flow.ID).Order("id").Find(&nested).Error
		if err != nil {
			return v, err
		}
	}
	stages := map[stageRef]*StageView{}
	at := func(branch string, n int) *StageView {
		ref := stageRef{flow.ID, branch, n}
		if stages[ref] == nil {
			stages[ref] = &StageView{Branch: branch}
		}
		return stages[ref]
	}
	sortJobs(rows)
	for _, row := range rows {
		s := at(row.Branch, row.Stage)
		s.Jobs = append(s.Jobs, JobView{row.ID, row.Kind, row.State, row.Attempts, row.LastError, row.Note, row.DueAt})
	}
	home := map[uuid.UUID]*StageView{}
	for _, b := range batches {
		s := at(b.Branch, b.Stage)
		s.Batch, home[b.ID] = b.view(), s
	}
	for _, child := range nested {
		cv, err := c.view(read, child)
		if err != nil {
			return v, err
		}
		cv.Around = uuid.NullUUID{UUID: flow.ID, Valid: true}
		s := home[child.BatchID.UUID]
		s.Flows = append(s.Flows, cv)
	}
	v.Stages = inOrder(stages)
	return v, nil
}

// branchOrder is the order in which the branches of a flow are shown.
var branchOrder = []string{branchMain, branchCatch, branchCallback}

func sortJobs(rows []jobRow) {
	slices.SortFunc(rows, func(a, b jobRow) int {
		return cmp.Or(cmp.Compare(a.Position, b.Position), strings.Compare(a.ID.String(), b.ID.String()))
	})
}

// inOrder returns the stages in the order in which they run, with their states.
func inOrder(stages map[stageRef]*StageView) []StageView {
	refs := slices.SortedFunc(maps.Keys(stages), func(a, b stageRef) int {
		return cmp.Or(
			cmp.Compare(slices.Index(branchOrder, a.branch), slices.Index(branchOrder, b.branch)),
			cmp.Compare(a.stage, b.stage))
	})
	views := make([]StageView, len(refs))
	for i, ref := range refs {
		views[i] = *stages[ref]
		views[i].State = views[i].state()
	}
	return views
}

// state sums up a stage: running while a member is, else the worst of what they
// ended as.
func (s *StageView) state() string {
	seen := map[string]bool{}
	for _, j := range s.Jobs {
		seen[j.State] = true
	}
	for _, f := range s.Flows {
		switch f.State {
		case flowRunning, flowStopping, flowCatching:
			seen[jobReady] = true
		default:
			seen[f.State] = true
		}
	}
	for _, state := range []string{jobReady, jobFailed, flowCancelled, jobWaiting, jobSkipped} {
		if seen[state] && state == jobReady {
			return "running"
		}
		if seen[state] {
			return state
		}
	}
	return jobDone
}
