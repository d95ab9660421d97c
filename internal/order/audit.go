package order

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/trip"
)

// auditPage is how many orders an audit holds in memory at a time.
const auditPage = 500

// SeatsAgree compares orders with the plans of their trips: an order that has or had
// its seats stands on the plan with just as many, any other does not; and the rider is
// in the car, arrived or left behind where the stops that were made say so. It returns
// a sentence for each that disagrees.
func (s *Service) SeatsAgree(ctx context.Context) (lines []string, err error) {
	var after uuid.UUID
	for {
		var rows []row
		err := s.db.Read(ctx).Where("trip_id IS NOT NULL AND id > ?", after).Order("id").Limit(auditPage).Find(&rows).Error
		if err != nil || len(rows) == 0 {
			return lines, err
		}
		trips := make([]uuid.UUID, len(rows))
		for i, r := range rows {
			trips[i] = r.TripID.UUID
		}
		plans, err := s.trips.Plans(ctx, trips...)
		if err != nil {
			return lines, err
		}
		for _, r := range rows {
			seats, statuses := planned(plans[r.TripID.UUID], r.ID)
			want := 0
			if r.order().OnPlan() {
				want = r.Seats
			}
			switch {
			case seats != want:
				lines = append(lines, fmt.Sprintf("order %s is %s with %d seats; trip %s has %d for it", r.ID, r.Status, r.Seats, r.TripID.UUID, seats))
			case want > 0 && !slices.Contains(statuses, r.Status):
				lines = append(lines, fmt.Sprintf("order %s is %s; by the stops of trip %s it is %s", r.ID, r.Status, r.TripID.UUID, statuses[len(statuses)-1]))
			}
		}
		after = rows[len(rows)-1].ID
	}
}

// planned returns how many seats a plan has for an order, and the statuses in which
// that is as it should be.
func planned(plan trip.Plan, id uuid.UUID) (seats int, statuses []Status) {
	statuses = []Status{Matched, Confirmed}
	for _, stop := range plan {
		switch {
		case stop.OrderID != id || stop.State == trip.Dropped:
		case stop.Kind == trip.Pickup:
			seats += stop.Seats
			switch stop.State {
			case trip.Made:
				statuses = []Status{Riding}
			case trip.Missed:
				statuses = []Status{NoShow}
			}
		case stop.State == trip.Made:
			statuses = []Status{Completed}
		}
	}
	return seats, statuses
}

// PaymentsAgree compares orders that were not ridden with their payments: a confirmed
// order's fare is held, unless the gateway has let go of it, a matched one's not
// released, an order that waits or was closed has nothing held, but for one that has
// lost its trip and waits for another. It returns a sentence for each that disagrees.
func (s *Service) PaymentsAgree(ctx context.Context) (lines []string, err error) {
	var rows []struct {
		ID      uuid.UUID
		Status  Status
		Payment string
	}
	err = s.db.Read(ctx).Raw(`SELECT o.id, o.status, COALESCE(p.status, 'missing') AS payment
		FROM orders o LEFT JOIN payments p ON p.order_id = o.id
		WHERE p.order_id IS NULL
			OR (o.status IN ('confirmed', 'riding') AND p.status NOT IN ('held', 'lapsed'))
			OR (o.status = 'matched' AND p.status NOT IN ('none', 'held', 'lapsed'))
			OR (o.status = 'matching' AND p.status NOT IN ('lapsed', CASE WHEN o.rematches > 0 THEN 'held' ELSE 'none' END))
			OR (o.status IN ('cancelled', 'expired') AND o.cancel_fee = 0 AND p.status NOT IN ('none', 'voided', 'lapsed'))`).Scan(&rows).Error
	for _, r := range rows {
		lines = append(lines, fmt.Sprintf("order %s is %s and its payment %s", r.ID, r.Status, r.Payment))
	}
	return lines, err
}
