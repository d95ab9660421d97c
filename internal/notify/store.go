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

// Tally returns how many notices were written of each event, and how many SMS were to
// go with them, by what became of those.
func (s *Service) Tally(ctx context.Context) (events map[Event]int, sms map[Fate]int, err error) {
	var rows []struct {
		Event Event
		SMS   Fate `gorm:"column:sms"`
		N     int
	}
	err = s.deps.DB.Read(ctx).Raw("SELECT event, sms, COUNT(*) AS n FROM notices GROUP BY event, sms").Scan(&rows).Error
	events, sms = map[Event]int{}, map[Fate]int{}
	for _, r := range rows {
		events[r.Event] += r.N
		if r.SMS != Unasked {
			sms[r.SMS] += r.N
		}
	}
	return events, sms, err
}
