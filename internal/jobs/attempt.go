package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	Number int           // which attempt this is, from 1; releases do not count
	Cause  string        // in a catch chain: the code of the failure, or "cancelled"
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
	if a.done.Load() {
		return errors.New("jobs: Done called twice in one attempt")
	}
	if err := a.core.complete(ctx, a.row, fn); err != nil {
		return err
	}
	a.done.Store(true)
	return nil
}

// Cancelled reports whether the job's flow was cancelled or has failed since
// the job began; long handlers ask between their steps.
func (a *Attempt) Cancelled(ctx context.Context) (bool, error) {
	return a.core.stopping(ctx, a.row)
}

// ErrSuperseded says that the job was finished, cancelled or started anew by
// someone else while this attempt ran.
var ErrSuperseded = errors.New("superseded by another run of the same job")

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

type released struct {
	after time.Duration
	why   string
}

func (r *released) Error() string {
	return fmt.Sprintf("released for %s: %s", r.after.Round(time.Millisecond), r.why)
}

type failed struct{ error }

func (f *failed) Unwrap() error { return f.error }

// causeOf returns the stable code a flow keeps of why it failed.
func causeOf(err error) string {
	if code := fault.CodeOf(err); code != "internal" {
		return code
	}
	return "failed"
}
