package rating

import (
	"context"
	"fmt"
)

// findingsLimit bounds how much the audit reports.
const findingsLimit = 100

// RatingsAgree compares ratings with their orders and returns a line for each, at most
// 100, that is not of a completed order, by one of its parties about the other, with
// one to five stars.
func (s *Service) RatingsAgree(ctx context.Context) (lines []string, err error) {
	var rows []struct {
		Rating
		Status string
	}
	err = s.db.Read(ctx).Raw(`SELECT r.*, COALESCE(o.status, 'missing') AS status
		FROM ratings r LEFT JOIN orders o ON o.id = r.order_id LEFT JOIN trips t ON t.id = o.trip_id
		WHERE o.id IS NULL OR o.status <> 'completed' OR t.id IS NULL OR r.stars NOT BETWEEN ? AND ?
			OR NOT ((r.party = 'rider' AND r.rater_id = o.rider_id AND r.ratee_id = t.driver_id)
				OR (r.party = 'driver' AND r.rater_id = t.driver_id AND r.ratee_id = o.rider_id))
		ORDER BY r.order_id, r.party LIMIT ?`, MinStars, MaxStars, findingsLimit).Scan(&rows).Error
	for _, r := range rows {
		lines = append(lines, fmt.Sprintf("order %s, %s: its %s %s gave %s %d stars",
			r.OrderID, r.Status, r.Party, r.RaterID, r.RateeID, r.Stars))
	}
	return lines, err
}
