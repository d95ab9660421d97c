package order

import (
	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/match"
	"github.com/spotpool/spotpool/internal/notify"
)

// Moved puts an order on another trip, in the transaction that changes the plans of
// both. It returns errMoved when the order is not on the trip that it is to leave, or
// may not leave it: once it is confirmed, and unless the move says so, it stays.
// Those who know of its trip are told; a rider who does may cancel free of charge for a
// while, as after the first match.
func (s *Service) Moved(tx *db.Tx, m match.Move) error {
	from, now := []Status{Matched}, s.clock.Now()
	if m.Told {
		from = append(from, Confirmed)
	}
	n, err := tx.Change(`UPDATE orders SET trip_id = ?, pickup_at = ?, dropoff_at = ?,
		matched_at = CASE WHEN status = ? THEN ? ELSE matched_at END, reason = ?, rematches = rematches + 1,
		version = version + 1, changed_at = ? WHERE id = ? AND trip_id = ? AND status IN ?`,
		m.To, m.PickupAt, m.DropoffAt, Confirmed, now, ReasonMoved, now, m.Order, m.From, from)
	if err != nil {
		return err
	}
	if n == 0 {
		return errMoved
	}
	if err := s.changed(tx, m.Order, now); err != nil || !m.Told {
		return err
	}
	o, err := get(tx.DB, m.Order)
	if err != nil || o.Status != Confirmed {
		return err
	}
	tell := []jobs.Job{notify.MovedFrom(m.From, o.ID, o.Rematches)}
	if m.PickupAt.Before(m.WasAt) { // a reminder that comes too soon puts itself off
		tell = append(tell, s.reminder(o)...)
	}
	return s.queue.Dispatch(tx, tell...)
}
