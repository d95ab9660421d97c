package order

import (
	"context"
	"fmt"

	"github.com/google/uuid"
)

// Rematched returns how many orders have lost a trip that was called off, how often that
// happened to them together, and how many of them rode all the same.
func (s *Service) Rematched(ctx context.Context) (orders, times, rode int, err error) {
	var n struct{ Orders, Times, Rode int }
	err = s.db.Read(ctx).Raw(`SELECT COUNT(*) AS orders, COALESCE(SUM(e.times), 0) AS times,
			COUNT(CASE WHEN o.status IN ('riding', 'completed') THEN 1 END) AS rode
		FROM (SELECT order_id, COUNT(*) AS times FROM order_events WHERE reason = ? GROUP BY order_id) e
		JOIN orders o ON o.id = e.order_id`, ReasonTrip).Scan(&n).Error
	return n.Orders, n.Times, n.Rode, err
}

// Unanswered returns a line for each order that has ended without a notice to its rider of
// how: at most 100.
func (s *Service) Unanswered(ctx context.Context) (lines []string, err error) {
	var rows []struct {
		ID     uuid.UUID
		Status Status
	}
	err = s.db.Read(ctx).Raw(`SELECT o.id, o.status FROM orders o
		WHERE o.status IN ('completed', 'no_show', 'cancelled', 'expired') AND NOT EXISTS (
			SELECT 1 FROM notices n WHERE n.user_id = o.rider_id AND n.order_id = o.id AND (
				(o.status = 'completed' AND n.event = 'receipt') OR (o.status = 'no_show' AND n.event = 'no_show')
				OR (o.status = 'expired' AND n.event = 'expired') OR (o.status = 'cancelled' AND n.event IN ('cancelled', 'declined'))))
		ORDER BY o.id LIMIT 100`).Scan(&rows).Error
	for _, r := range rows {
		lines = append(lines, fmt.Sprintf("order %s is %s, and its rider was not told", r.ID, r.Status))
	}
	return lines, err
}
