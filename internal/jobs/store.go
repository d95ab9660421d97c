package jobs

import (
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/seal"
)

// States of a job. A job is ready from the moment its stage begins until it
// ends, whether it waits in Redis, runs, or was put off.
const (
	jobWaiting = "waiting" // its stage has not begun
	jobReady   = "ready"   // should be in Redis; due_at says from when
	jobDone    = "done"
	jobFailed  = "failed"
	jobSkipped = "skipped" // its flow was stopped first
)

// States of a flow.
const (
	flowRunning   = "running"
	flowStopping  = "stopping" // failed or cancelled; jobs of the stage may still run
	flowCatching  = "catching" // the catch chain runs
	flowDone      = "done"
	flowFailed    = "failed"
	flowCancelled = "cancelled"
)

// Branches of a flow.
const (
	branchMain  = "main"
	branchCatch = "catch"
)

type flowRow struct {
	ID          uuid.UUID
	SubjectKind string
	SubjectID   uuid.UUID
	Sentence    string
	State       string
	Branch      string
	Stage       int
	Verdict     string // what the flow ends as when it was stopped: failed or cancelled
	Cause       string
	CreatedAt   time.Time
	FinishedAt  *time.Time
}

func (flowRow) TableName() string { return "flows" }

type batchRow struct {
	ID            uuid.UUID
	FlowID        uuid.UUID
	Total         int
	Pending       int
	Failed        int
	AllowFailures bool
}

func (batchRow) TableName() string { return "batches" }

type jobRow struct {
	ID         uuid.UUID
	FlowID     uuid.NullUUID
	BatchID    uuid.NullUUID
	Branch     string
	Stage      int
	Position   int
	Kind       string
	Queue      string
	Args       string
	Sealed     bool
	State      string
	Attempts   int // failed attempts so far
	Generation int // which delivery of the job counts; others are dropped
	Wakes      int // how often it was told to run now
	DelayMs    int64
	DueAt      *time.Time // set while ready
	LastError  string
	CreatedAt  time.Time
	FinishedAt *time.Time

	FlowState string `gorm:"->"` // joined when a job is loaded for a run
	FlowCause string `gorm:"->"`
}

func (jobRow) TableName() string { return "jobs" }

func (r *jobRow) delivery() delivery {
	return delivery{id: r.ID, generation: r.Generation, kind: r.Kind, queue: r.Queue, due: *r.DueAt}
}

// core is what the client and the worker share.
type core struct {
	db      *db.DB
	clock   clock.Clock
	box     *seal.Box
	courier *courier
}

// load reads a job as it stands now, with the state of its flow.
func (c *core) load(ctx context.Context, id uuid.UUID) (*jobRow, error) {
	var row jobRow
	err := c.db.Read(ctx).Raw(`SELECT j.*, COALESCE(f.state, '') AS flow_state, COALESCE(f.cause, '') AS flow_cause
		FROM jobs j LEFT JOIN flows f ON f.id = j.flow_id WHERE j.id = ?`, id).Take(&row).Error
	return &row, err
}

// args returns the job's arguments as JSON, opened when they are sealed.
func (c *core) args(row *jobRow) (json.RawMessage, error) {
	if !row.Sealed {
		return json.RawMessage(row.Args), nil
	}
	return c.box.Open(row.Args)
}

// newRow returns the row of a job that has not begun.
func (c *core) newRow(j Job, now time.Time) jobRow {
	id, args := j.id, string(j.args)
	if id == uuid.Nil {
		id = uuid.Must(uuid.NewV7())
	}
	if j.sealed {
		args = c.box.Seal(j.args)
	}
	return jobRow{
		ID: id, Branch: branchMain, Kind: j.kind, Queue: j.queue, Args: args, Sealed: j.sealed,
		State: jobWaiting, DelayMs: j.delay.Milliseconds(), CreatedAt: now,
	}
}

// begin makes a row ready, due after its delay.
func (r *jobRow) begin(now time.Time) {
	due := now.Add(time.Duration(r.DelayMs) * time.Millisecond)
	r.State, r.DueAt = jobReady, &due
}

// deliverAfter sends the rows that are ready to Redis once tx has committed.
func (c *core) deliverAfter(tx *db.Tx, rows []jobRow) {
	var out []delivery
	for i := range rows {
		if rows[i].State == jobReady {
			out = append(out, rows[i].delivery())
		}
	}
	tx.After(func() { c.courier.send(out...) })
}
