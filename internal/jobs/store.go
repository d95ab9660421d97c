package jobs

import (
	"encoding/json"
	"log/slog"
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
	flowWaiting   = "waiting" // nested in a batch that has not begun
	flowRunning   = "running"
	flowStopping  = "stopping" // failed or cancelled; jobs of the stage may still run
	flowCatching  = "catching" // the catch chain runs
	flowDone      = "done"
	flowFailed    = "failed"
	flowCancelled = "cancelled"
	flowSkipped   = "skipped" // nested in a batch that never began
)

// Branches of a flow. Callbacks of its batches belong to it and do not move it.
const (
	branchMain     = "main"
	branchCatch    = "catch"
	branchCallback = "callback"
)

type flowRow struct {
	ID          uuid.UUID
	BatchID     uuid.NullUUID // the batch it is nested in
	Nests       bool          // whether its own batches hold flows
	SubjectKind string
	SubjectID   uuid.UUID
	Sentence    string
	State       string
	Branch      string
	Stage       int    // that it has reached, or one with only plain jobs up to there
	Verdict     string // what the flow ends as when it was stopped: failed or cancelled
	Cause       string
	CreatedAt   time.Time
	FinishedAt  *time.Time
}

func (flowRow) TableName() string { return "flows" }

type batchRow struct {
	ID            uuid.UUID
	FlowID        uuid.UUID
	Branch        string
	Stage         int
	Total         int // members
	Pending       int // of them unfinished
	Failed        int
	Skipped       int
	AllowFailures bool
	Callbacks     string // JSON, empty when there are none
	Caught        bool   // the catch callback has started
	CreatedAt     time.Time
	FinishedAt    *time.Time // when no member was unfinished for the first time
}

func (batchRow) TableName() string { return "job_batches" }

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
	Tags       string
	UniqueKey  *string // set while no other job of the name may be written
	State      string
	Attempts   int // failed attempts so far
	Generation int // which delivery of the job counts; others are dropped
	Wakes      int // how often it was told to run now
	DelayMs    int64
	DueAt      *time.Time // set while ready
	RetryUntil *time.Time
	LastError  string
	Note       string // what it came to; in a callback before it ran, the cause
	CreatedAt  time.Time
	FinishedAt *time.Time

	FlowState string `gorm:"->"` // joined when a job is loaded for a run
	FlowCause string `gorm:"->"`

	next    following // read or written with it
	whole   bool      // the row is all there is, and nobody else has it
	handled func()    // gives the slot of the run back
}

func (jobRow) TableName() string { return "jobs" }

func (r *jobRow) delivery() delivery {
	return delivery{id: r.ID, generation: r.Generation, kind: r.Kind, queue: r.Queue, due: *r.DueAt}
}

// inMain reports whether the job belongs to the main chain of a flow.
func (r *jobRow) inMain() bool { return r.FlowID.Valid && r.Branch == branchMain }

// core is what the client and the worker share.
type core struct {
	db        *db.DB
	clock     clock.Clock
	box       *seal.Box
	log       *slog.Logger
	courier   *courier
	loads     *grouper[*load]
	endings   *grouper[*ending]
	starts    *grouper[*starting]
	observers []func(Event)
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
	row := jobRow{
		ID: id, Branch: branchMain, Kind: j.kind, Queue: j.queue, Args: args, Sealed: j.sealed, Tags: clipTo(j.tags, maxTags),
		State: jobWaiting, DelayMs: j.delay.Milliseconds(), CreatedAt: now,
	}
	if !j.until.IsZero() {
		row.RetryUntil = &j.until
	}
	return row
}

// begin makes a row ready, due after its delay.
func (r *jobRow) begin(now time.Time) {
	due := now.Add(time.Duration(r.DelayMs) * time.Millisecond)
	r.State, r.DueAt = jobReady, &due
}

// idsOf returns the ids that a query finds, without locking their rows: updates
// go by primary key, since going by another index locks the rows between too.
func idsOf(tx *db.Tx, query string, args ...any) (ids []uuid.UUID, err error) {
	err = tx.Raw(query, args...).Scan(&ids).Error
	return ids, err
}
