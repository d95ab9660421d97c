package order

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/money"
	"github.com/spotpool/spotpool/internal/trip"
)

// settledWithin is how long after the end of its trip, or after a late cancel, an
// order's payment may still be held.
const settledWithin = time.Hour

// ChargedOnce looks through the orders that were ridden, missed or cancelled at a cost.
// Each is charged exactly once, captured or owed, by the settlement of its trip or of
// its cancel, with a price that it was quoted; within an hour. It returns a sentence for
// each that is not.
func (s *Service) ChargedOnce(ctx context.Context) (lines []string, err error) {
	var rows []struct {
		ID                        uuid.UUID
		Status                    Status
		Payment                   string
		Fare, FarePooled          money.Amount
		CancelFee                 money.Amount
		Charged, Captured, InDebt money.Amount
		Settlement                string
	}
	err = s.db.Read(ctx).Raw(`SELECT * FROM (
		SELECT o.id, o.status, o.fare, o.fare_pooled, o.cancel_fee, o.trip_id, COALESCE(p.status, 'missing') AS payment,
			COALESCE(p.charged, 0) AS charged, COALESCE(p.settlement_id, 'none') AS settlement,
			COALESCE(-c.amount, 0) AS captured, COALESCE(-d.amount, 0) AS in_debt,
			CASE WHEN o.cancel_fee > 0 THEN o.changed_at WHEN t.status = 'completed' THEN t.changed_at END AS since
		FROM orders o LEFT JOIN payments p ON p.order_id = o.id LEFT JOIN trips t ON t.id = o.trip_id
		LEFT JOIN ledger_entries c ON c.posting = CONCAT('capture:', o.id) AND c.account = CONCAT('settlement:', p.settlement_id, ':fares')
		LEFT JOIN ledger_entries d ON d.posting = CONCAT('debt:', o.id) AND d.account = CONCAT('settlement:', p.settlement_id, ':fares')
		WHERE o.status IN ('completed', 'no_show') OR o.cancel_fee > 0) AS ended
		WHERE NOT (payment IN ('held', 'lapsed') AND charged = 0 AND (since IS NULL OR since > @since))
			AND (payment NOT IN ('captured', 'owed', 'refunding', 'refunded')
				OR charged <> captured + in_debt OR (captured = 0) = (in_debt = 0)
				OR (cancel_fee > 0 AND charged <> cancel_fee)
				OR (cancel_fee = 0 AND charged <> fare AND NOT (status = 'completed' AND charged = fare_pooled))
				OR (cancel_fee = 0 AND settlement <> trip_id))`,
		sql.Named("since", s.clock.Now().Add(-settledWithin))).Scan(&rows).Error
	for _, r := range rows {
		price := fmt.Sprintf("%s or %s", r.Fare, r.FarePooled)
		if r.CancelFee > 0 {
			price = r.CancelFee.String()
		}
		lines = append(lines, fmt.Sprintf("order %s is %s for %s: its payment is %s with %s charged by settlement %s; the ledger has %s captured and %s owed",
			r.ID, r.Status, price, r.Payment, r.Charged, r.Settlement, r.Captured, r.InDebt))
	}
	return lines, err
}

// TripsSettled looks for trips that have departed and come to no end: those that count
// as abandoned for more than an hour, and those that have been over for an hour with
// something to pay, and are neither settled nor being settled. It returns a sentence for
// each.
func (s *Service) TripsSettled(ctx context.Context) (lines []string, err error) {
	now := s.clock.Now()
	var stray []struct {
		ID       uuid.UUID
		ArriveAt time.Time
	}
	err = s.db.Read(ctx).Raw("SELECT id, arrive_at FROM trips WHERE status = ? AND arrive_at <= ?",
		trip.Departed, now.Add(-trip.AbandonedAfter-settledWithin)).Scan(&stray).Error
	if err != nil {
		return nil, err
	}
	for _, t := range stray {
		lines = append(lines, fmt.Sprintf("trip %s was to end at %s and is still departed", t.ID, t.ArriveAt.UTC().Format(time.RFC3339)))
	}
	var open []struct {
		ID     uuid.UUID
		Orders int
		Fares  money.Amount
	}
	err = s.db.Read(ctx).Raw(`SELECT t.id, COUNT(*) AS orders, SUM(o.fare) AS fares
		FROM trips t JOIN orders o ON o.trip_id = t.id AND o.status IN ('completed', 'no_show') LEFT JOIN settlements s ON s.id = t.id
		WHERE t.status = ? AND t.changed_at <= ? AND s.id IS NULL GROUP BY t.id`,
		trip.Completed, now.Add(-settledWithin)).Scan(&open).Error
	if err != nil {
		return nil, err
	}
	for _, t := range open {
		flow, found, err := s.queue.FlowOf(ctx, t.ID)
		if err != nil {
			return nil, err
		}
		if !found || flow.State != "running" {
			lines = append(lines, fmt.Sprintf("trip %s is over with %d orders of up to %s, and neither settled nor being settled", t.ID, t.Orders, t.Fares))
		}
	}
	return lines, nil
}
