package notify

import (
	"context"

	"github.com/google/uuid"
)

// notice returns one notice, or db.ErrNotFound.
func (s *Service) notice(ctx context.Context, id uuid.UUID) (Notice, error) {
	var n Notice
	err := s.deps.DB.Read(ctx).Where("id = ?", id).Take(&n).Error
	return n, err
}

// Inbox returns up to limit notices of a person, newest first: those older than
// the notice named after, or the newest when it is Nil.
func (s *Service) Inbox(ctx context.Context, user, after uuid.UUID, limit int) ([]Notice, error) {
	q := s.deps.DB.Read(ctx).Where("user_id = ? AND NOT hidden", user)
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
	err := s.deps.DB.Read(ctx).Where("user_id = ? AND id > ? AND NOT hidden", user, last).
		Order("id").Limit(SinceLimit).Find(&found).Error
	return found, err
}
