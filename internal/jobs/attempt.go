package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/fault"
)

// Attempt is one run of a job, as its handler sees it.
type Attempt struct {
	JobID  uuid.UUID
	Kind   string
	Queue  string
	Tags   []string
	Number int           // which attempt this is, from 1; releases do not count
	Cause  string        // in a catch chain or callback: the code of the failure, or "cancelled"
	Flow   uuid.NullUUID // the flow the job belongs to, if any

	args json.RawMessage
	row  *jobRow
	core *core
	done atomic.Bool
}

// Key returns the idempotency key for effects outside the database. It is the
// same in every attempt of the job, also after a manual retry.
func (a *Attempt) Key() string { return a.JobID.String() }

// Done commits the job's effect and the fact that it is done in one
// transaction. fn may be nil. An error of fn rolls everything back and is
// returned as it is, so that the handler may try another way or return it.
//
// When another run of the same job was faster, or the job was taken away, Done
// returns ErrSuperseded and fn's effect is not recorded.
func (a *Attempt) Done(ctx context.Context, fn func(tx *db.Tx) error) error {
	return a.conclude(ctx, &ending{row: a.row, state: jobDone, effect: fn})
}

// DoneTogether is Done for an effect that is small and hardly ever refused: it may
// share its transaction with those of jobs that end at the same time. When one of
// them returns an error, or the commit fails, each is tried by itself, so fn may run
// twice, as it may after a deadlock.
func (a *Attempt) DoneTogether(ctx context.Context, fn func(tx *db.Tx) error) error {
	return a.conclude(ctx, &ending{row: a.row, state: jobDone, effect: fn, shares: true})
}

func (a *Attempt) conclude(ctx context.Context, e *ending) error {
	if a.done.Load() {
		return errors.New("jobs: Done called twice in one attempt")
	}
	if err := a.core.conclude(ctx, e); err != nil {
		return err
	}
	a.done.Store(true)
	return nil
}

// Cancelled reports whether the job's flow was cancelled or has failed since
// the job began; long handlers ask between their steps.
func (a *Attempt) Cancelled(ctx context.Context) (bool, error) {
	if !a.row.inMain() {
		return false, nil
	}
	var state string
	err := a.core.db.Read(ctx).Raw("SELECT state FROM flows WHERE id = ?", a.row.FlowID).Scan(&state).Error
	return stopped(state), err
}

// stopped reports whether jobs of a flow's main chain are no longer to run. In a
// flow that is done they may: those that were taken up again after a failure.
func stopped(state string) bool { return state != flowRunning && state != flowDone }

// Batch returns the batch that the job is in, or whose callback it is, as it
// stands now. It returns db.ErrNotFound for a job outside of any.
func (a *Attempt) Batch(ctx context.Context) (BatchView, error) {
	return (&Client{a.core}).Batch(ctx, a.row.BatchID.UUID)
}

// Add puts further members into the batch that the job is in, to be begun when
// tx commits: the transaction of Done, so that they come exactly once. It reports
// false, and adds nothing, when the flow was stopped meanwhile.
func (a *Attempt) Add(tx *db.Tx, members ...Member) (bool, error) {
	if !a.row.BatchID.Valid || a.row.Branch == branchCallback {
		return false, errors.New("jobs: Add outside of a batch")
	}
	if len(members) == 0 {
		return true, nil
	}
	return a.core.add(tx, a.row, members)
}

// CancelFlow cancels the flow that the job is in, as Client.CancelFlow does.
func (a *Attempt) CancelFlow(tx *db.Tx) (bool, error) {
	return a.core.stop(tx, a.row.FlowID.UUID, flowCancelled, causeCancelled)
}

// ErrSuperseded says that the job was finished, cancelled or started anew by
// someone else while this attempt ran.
var ErrSuperseded = errors.New("superseded by another run of the same job")

// ErrDeadline is why a job fails whose Job.Until has passed.
var ErrDeadline = fault.New(fault.Conflict, "deadline_passed", "the job was not done before its deadline")

// Release returns an error that puts the job back for later. It uses no attempt.
func Release(after time.Duration, why string) error {
	return &released{after: max(after, 0), why: why}
}

// Fail returns an error that makes the job fail at once, whatever attempts are
// left. The code of a fault in err becomes the cause that the catch chain sees.
func Fail(err error) error {
	if err == nil {
		err = errors.New("failed without saying why")
	}
	return &failed{err}
}

// Skip returns an error that ends the job as done without having done anything;
// its note says "skipped: " and why.
func Skip(why string) error { return &skipped{why} }

// Released returns for how long err, or an error that it wraps, puts a job back;
// ok is false when it does not.
func Released(err error) (after time.Duration, ok bool) {
	var r *released
	if errors.As(err, &r) {
		return r.after, true
	}
	return 0, false
}

// IsRelease reports whether err puts a job back.
func IsRelease(err error) bool {
	_, ok := Released(err)
	return ok
}

// IsFail reports whether err makes a job fail at once.
func IsFail(err error) bool {
	var f *failed
	return errors.As(err, &f)
}

// IsSkip reports whether err ends a job as done without having done anything.
func IsSkip(err error) bool {
	var s *skipped
	return errors.As(err, &s)
}

type released struct {
	after time.Duration
	why   string
}

func (r *released) Error() string {
	return fmt.Sprintf("released for %s: %s", r.after.Round(time.Millisecond), r.why)
}

type failed struct{ error }

func (f *failed) Unwrap() error { return f.error }

type skipped struct{ why string }

func (s *skipped) Error() string { return "skipped: " + s.why }

// newAttempt returns the attempt of that number of a job.
func (c *core) newAttempt(row *jobRow, number int) *Attempt {
	a := &Attempt{
		JobID: row.ID, Kind: row.Kind, Queue: row.Queue, Tags: strings.Fields(row.Tags), Number: number,
		Cause: row.FlowCause, Flow: row.FlowID, row: row, core: c,
	}
	if row.Branch == branchCallback {
		a.Cause = row.Note
	}
	return a
}
