package jobs

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
)

// Periodic begins a job once in every time slot, the slots being counted from
// the Unix epoch.
type Periodic struct {
	Every time.Duration
	Job   Job
}

// periodicLoop writes the periodic jobs of each slot. Every worker does, and the
// first wins: the job's id is made of its kind and the slot.
func (w *Worker) periodicLoop(ctx context.Context) {
	for {
		next := time.Hour
		for _, p := range w.cfg.Periodic {
			if err := w.core.beginSlot(ctx, p); err != nil && ctx.Err() == nil {
				w.log.WarnContext(ctx, "periodic job was not begun", "kind", p.Job.kind, "err", err)
			}
			now := w.core.clock.Now()
			next = min(next, now.Truncate(p.Every).Add(p.Every).Sub(now))
		}
		timer := time.NewTimer(next)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// beginSlot writes the job of the present slot, unless another worker has.
func (c *core) beginSlot(ctx context.Context, p Periodic) error {
	now := c.clock.Now()
	job := p.Job
	slot := binary.BigEndian.AppendUint64([]byte(job.kind+"@"), uint64(now.Truncate(p.Every).Unix()))
	job.id = uuid.NewSHA1(uuid.NameSpaceURL, slot)
	row := c.newRow(job, now)
	row.begin(now)
	err := c.db.Tx(ctx, func(tx *db.Tx) error { return c.insert(tx, []jobRow{row}) })
	if errors.Is(err, db.ErrDuplicate) {
		return nil
	}
	return err
}
