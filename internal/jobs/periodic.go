package jobs

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
)

// Periodic begins a job once in every time slot, the slots being counted from
// the Unix epoch and Offset: with Every a day and Offset two hours, at 02:00 UTC.
type Periodic struct {
	Every  time.Duration
	Offset time.Duration // may be negative
	Job    func(slot time.Time) Job
}

// Same is the Job of a Periodic that needs not know its slot.
func Same(j Job) func(time.Time) Job { return func(time.Time) Job { return j } }

// slot returns when the slot that now is in began.
func (p Periodic) slot(now time.Time) time.Time {
	since := (now.Sub(time.Unix(0, 0)) - p.Offset) % p.Every
	if since < 0 {
		since += p.Every
	}
	return now.Add(-since)
}

// periodicLoop writes the periodic jobs of each slot. Every worker does, and the
// first wins: the job's id is made of its kind and the slot.
func (w *Worker) periodicLoop(ctx context.Context) {
	for {
		next := time.Hour
		for _, p := range w.cfg.Periodic {
			if err := w.core.beginSlot(ctx, p); err != nil && ctx.Err() == nil {
				w.log.WarnContext(ctx, "periodic job was not begun", "kind", p.Job(w.core.clock.Now()).kind, "err", err)
			}
			now := w.core.clock.Now()
			next = min(next, p.slot(now).Add(p.Every).Sub(now))
		}
		timer := time.NewTimer(w.wall(next))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// slotID returns the id of a kind's job for a slot: always the same one, and in
// the order of time as all ids are.
func slotID(kind string, slot time.Time) uuid.UUID {
	name := binary.BigEndian.AppendUint64([]byte(kind+"@"), uint64(slot.Unix()))
	id, first := uuid.NewHash(sha256.New(), uuid.NameSpaceURL, name, 7), firstID(slot)
	copy(id[:6], first[:6]) // the time
	return id
}

// beginSlot writes the job of the present slot, unless another worker has.
func (c *core) beginSlot(ctx context.Context, p Periodic) error {
	now := c.clock.Now()
	slot := p.slot(now)
	job := p.Job(slot)
	job.id = slotID(job.kind, slot)
	row := c.newRow(job, now)
	row.begin(now)
	err := c.db.Tx(ctx, func(tx *db.Tx) error {
		if err := claimSlot(tx, job.kind, slot); err != nil {
			return err
		}
		return c.insert(tx, []jobRow{row})
	})
	if errors.Is(err, db.ErrDuplicate) {
		return nil
	}
	return err
}

// claimSlot notes that a kind's slot has begun, and returns db.ErrDuplicate when
// that was noted before: also when its job is over and was pruned since.
func claimSlot(tx *db.Tx, kind string, slot time.Time) error {
	name := "slot:" + kind
	n, err := tx.Change("UPDATE queue_signals SET given_at = ? WHERE name = ? AND given_at < ?", slot, name, slot)
	if err != nil || n > 0 {
		return err
	}
	return tx.Create(&signalRow{name, slot}).Error
}
