package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
)

// failedRow is what is kept of a failed job, also when its flow is pruned.
type failedRow struct {
	JobID     uuid.UUID `gorm:"primaryKey"`
	FlowID    uuid.NullUUID
	Kind      string
	Queue     string
	Args      string
	Sealed    bool
	Tags      string
	Error     string
	Stack     string
	Attempts  int // of the last time
	Times     int // how often it has failed
	FailedAt  time.Time
	RetriedAt *time.Time // set from a retry until it fails again
}

func (failedRow) TableName() string { return "failed_jobs" }

// Failure is a job that has just failed for good, as hooks see it.
type Failure struct {
	JobID   uuid.UUID
	Kind    string
	Queue   string
	Tags    []string
	Flow    uuid.NullUUID
	Attempt int
	Err     error

	args func() (json.RawMessage, error)
}

// FailureHook is called in the transaction that records a failure, hence once
// for each; what it dispatches is written with it. It must not call anything
// remote. When it returns an error, what it wrote is undone and the failure is
// recorded all the same.
type FailureHook func(tx *db.Tx, f Failure) error

// fail ends a job that is out of attempts, writes it down among the failed jobs,
// calls the hooks and stops its flow, unless it is in a batch that allows failures.
func (c *core) fail(ctx context.Context, a *Attempt, cause error, hooks []FailureHook) error {
	row := a.row
	failure := Failure{
		JobID: a.JobID, Kind: a.Kind, Queue: a.Queue, Tags: a.Tags, Flow: a.Flow, Attempt: a.Number, Err: cause,
		args: func() (json.RawMessage, error) { return c.args(row) }, // the attempt may not have come so far as to open them
	}
	return c.conclude(ctx, &ending{
		row: row, state: jobFailed, attempts: a.Number, cause: cause,
		effect: func(tx *db.Tx) error {
			if err := c.keepFailed(tx, row, a.Number, cause); err != nil {
				return err
			}
			for _, hook := range hooks {
				said, err := tx.Nested(func() error { return guarded(func() error { return hook(tx, failure) }) })
				if err != nil {
					return err
				}
				if said != nil {
					c.log.ErrorContext(ctx, "failure hook", "err", said)
				}
			}
			return nil
		},
	})
}

// guarded turns a panic of fn into an error.
func guarded(fn func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return fn()
}

// keepFailed writes a job down among the failed ones, or counts another time.
func (c *core) keepFailed(tx *db.Tx, row *jobRow, attempts int, cause error) error {
	now := c.clock.Now()
	n, err := tx.Change(`UPDATE failed_jobs SET error = ?, stack = ?, attempts = ?, times = times + 1, failed_at = ?, retried_at = NULL
		WHERE job_id = ?`, clip(cause.Error()), stackOf(cause), attempts, now, row.ID)
	if err != nil || n > 0 {
		return err
	}
	return tx.Create(&failedRow{
		JobID: row.ID, FlowID: row.FlowID, Kind: row.Kind, Queue: row.Queue, Args: row.Args, Sealed: row.Sealed, Tags: row.Tags,
		Error: clip(cause.Error()), Stack: stackOf(cause), Attempts: attempts, Times: 1, FailedAt: now,
	}).Error
}

// panicked is the error of an attempt that panicked.
type panicked struct {
	value any
	stack string
}

func (p *panicked) Error() string { return fmt.Sprintf("panic: %v", p.value) }

// maxStack is how much of a stack is kept, in bytes.
const maxStack = 16 << 10

// caught calls fn and returns its panic as an error.
func caught(fn func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &panicked{p, string(debug.Stack())}
		}
	}()
	return fn()
}

// stackOf returns the goroutine's stack when the attempt panicked, else what
// each error of the chain adds, outermost first: errors carry no stack in Go.
func stackOf(err error) string {
	var p *panicked
	if errors.As(err, &p) {
		return clipTo(p.stack, maxStack)
	}
	var lines []string
	for ; err != nil; err = errors.Unwrap(err) {
		lines = append(lines, fmt.Sprintf("%T: %v", err, err))
	}
	return clipTo(strings.Join(lines, "\n"), maxStack)
}
