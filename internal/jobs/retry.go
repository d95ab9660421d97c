package jobs

import (
	"context"
	"time"

	"github.com/spotpool/spotpool/internal/db"
)

// retryLater records a failed attempt of a job that has attempts left and
// returns how long it waits: not at all when the job was told to run now, or its
// flow was stopped, after this run had loaded it.
func (c *core) retryLater(ctx context.Context, row *jobRow, attempt int, after time.Duration, cause error) (time.Duration, error) {
	err := c.db.Tx(ctx, func(tx *db.Tx) error {
		now := c.clock.Now()
		record := func(due time.Time, condition string, args ...any) (int64, error) {
			args = append([]any{attempt, clip(cause.Error()), due, row.ID, row.Generation, attempt}, args...)
			return tx.Change(`UPDATE jobs SET attempts = ?, last_error = ?, due_at = ?
				WHERE id = ? AND generation = ? AND state = 'ready' AND attempts < ?`+condition, args...)
		}
		n, err := record(now.Add(after), " AND wakes = ?", row.Wakes)
		if err != nil || n == 1 {
			return err
		}
		after = 0
		n, err = record(now, "")
		if err == nil && n == 0 {
			err = ErrSuperseded
		}
		return err
	})
	return after, err
}

// release records that a job waits. It returns errWoken when the job was told
// to run now, or its flow was stopped, after this run had loaded it.
func (c *core) release(ctx context.Context, row *jobRow, after time.Duration) error {
	return c.db.Tx(ctx, func(tx *db.Tx) error {
		n, err := tx.Change(`UPDATE jobs SET due_at = ? WHERE id = ? AND generation = ? AND state = 'ready' AND wakes = ?`,
			c.clock.Now().Add(after), row.ID, row.Generation, row.Wakes)
		if err == nil && n == 0 {
			err = errWoken // or superseded, which the next look at the row shows
		}
		return err
	})
}

// letGo gives the unique name of a job back, because it starts to run.
func (c *core) letGo(ctx context.Context, row *jobRow) error {
	return c.db.Tx(ctx, func(tx *db.Tx) error {
		_, err := tx.Change("UPDATE jobs SET unique_key = NULL WHERE id = ? AND generation = ?", row.ID, row.Generation)
		return err
	})
}
