package trip

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
)

// AbandonedAfter is how long after its expected end a trip under way counts as
// abandoned. Whatever is heard of it moves that end.
const AbandonedAfter = 6 * time.Hour

// Abandoned returns up to limit trips under way that count as abandoned.
func (s *Service) Abandoned(ctx context.Context, limit int) (ids []uuid.UUID, err error) {
	err = s.db.Read(ctx).Raw("SELECT id FROM trips WHERE status = ? AND arrive_at <= ? LIMIT ?",
		Departed, s.clock.Now().Add(-AbandonedAfter), limit).Scan(&ids).Error
	return ids, err
}

// EndAbandoned completes a trip that counts as abandoned. Who has got in was dropped off
// when that was expected; who has not is dropped from the plan. It returns the orders
// that had a stop ahead, which the caller ends; there are none, and nothing changes,
// when the trip does not count as abandoned any more.
func (s *Service) EndAbandoned(tx *db.Tx, id uuid.UUID) (t Trip, left []uuid.UUID, err error) {
	was, err := lockOf(tx, id, uuid.Nil)
	if err != nil || was.Status != Departed || was.ArriveAt.After(s.clock.Now().Add(-AbandonedAfter)) {
		return was, nil, err
	}
	t = was
	t.Plan = slices.Clone(was.Plan)
	left = t.Plan.abandon()
	t.Status, t.Abandoned, t.SeatsLeft = Completed, len(left) > 0, t.Seats-t.Plan.MaxLoad()
	t, err = s.goOn(tx, was, t)
	return t, left, err
}
