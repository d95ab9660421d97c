package notify

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
)

// insert writes a notice and reports whether it is new; one about the same
// event of the same thing, in the same inbox, stays as it is.
func insert(tx *db.Tx, n *Notice) (fresh bool, err error) {
	err = tx.Create(n).Error
	if errors.Is(err, db.ErrDuplicate) {
		return false, nil
	}
	return err == nil, err
}

// notice returns one notice, or db.ErrNotFound.
func (s *Service) notice(ctx context.Context, id uuid.UUID) (Notice, error) {
	var n Notice
	err := s.deps.DB.Read(ctx).Where("id = ?", id).Take(&n).Error
	return n, err
}

// Inbox returns up to limit notices of a person, newest first: those older than
// the notice named after, or the newest when it is Nil.
func (s *Service) Inbox(ctx context.Context, user, after uuid.UUID, limit int) ([]Notice, error) {
	q := s.deps.DB.Read(ctx).Where("user_id = ?", user)
	if after != uuid.Nil {
		q = q.Where("id < ?", after)
	}
	var found []Notice
	err := q.Order("id DESC").Limit(limit).Find(&found).Error
	return found, err
}

// SinceLimit is how many notices Since returns at most.
const SinceLimit = 100

// Since returns the notices of a person that are newer than the one named last,
// oldest first, up to SinceLimit. It serves a live page: a notice that another
// process writes in the very same moment may sort before last, and is then seen
// in the inbox only.
func (s *Service) Since(ctx context.Context, user, last uuid.UUID) ([]Notice, error) {
	var found []Notice
	err := s.deps.DB.Read(ctx).Where("user_id = ? AND id > ?", user, last).
		Order("id").Limit(SinceLimit).Find(&found).Error
	return found, err
}

// Written returns how many notices were written of each event.
func (s *Service) Written(ctx context.Context) (map[string]int, error) {
	var rows []struct {
		Event string
		N     int
	}
	err := s.deps.DB.Read(ctx).Raw("SELECT event, COUNT(*) AS n FROM notices GROUP BY event").Scan(&rows).Error
	n := map[string]int{}
	for _, r := range rows {
		n[r.Event] = r.N
	}
	return n, err
}
