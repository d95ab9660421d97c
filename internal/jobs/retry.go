package jobs

import (
	"context"
	"time"

	"github.com/spotpool/spotpool/internal/db"
)

// retryLater records a failed attempt of a job that has attempts left.
func (c *core) retryLater(ctx context.Context, row *jobRow, attempt int, after time.Duration, cause error) error {
	return c.db.Tx(ctx, func(tx *db.Tx) error {
		n, err := tx.Change(`UPDATE jobs SET attempts = ?, last_error = ?, due_at = ?
			WHERE id = ? AND generation = ? AND state = 'ready' AND attempts < ?`,
			attempt, clip(cause.Error()), c.clock.Now().Add(after), row.ID, row.Generation, attempt)
		if err == nil && n == 0 {
			return ErrSuperseded
		}
		return err
	})
}

// release records that a job waits. It returns errWoken when the job was told
// to run now after this run had loaded it, or when its flow was stopped.
func (c *core) release(ctx context.Context, row *jobRow, after time.Duration) error {
	return c.db.Tx(ctx, func(tx *db.Tx) error {
		n, err := tx.Change(`UPDATE jobs SET due_at = ? WHERE id = ? AND generation = ? AND state = 'ready' AND wakes = ?`,
			c.clock.Now().Add(after), row.ID, row.Generation, row.Wakes)
		if err != nil {
			return err
		}
		if n == 0 {
			return errWoken // or superseded, which the next look at the row shows
		}
		if row.FlowID.Valid && row.Branch == branchMain {
			state, err := flowState(tx, row)
			if err == nil && state != flowRunning {
				err = errWoken
			}
			return err
		}
		return nil
	})
}

// stopping reports whether the job's flow no longer runs.
func (c *core) stopping(ctx context.Context, row *jobRow) (bool, error) {
	if !row.FlowID.Valid || row.Branch != branchMain {
		return false, nil
	}
	state, err := flowState(&db.Tx{DB: c.db.Read(ctx)}, row)
	return state != flowRunning, err
}

func flowState(tx *db.Tx, row *jobRow) (state string, err error) {
	err = tx.Raw("SELECT state FROM flows WHERE id = ?", row.FlowID).Scan(&state).Error
	return state, err
}
