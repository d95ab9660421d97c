package trip

import (
	"context"
	"fmt"

	"github.com/google/uuid"
)

// auditPage is how many trips an audit holds in memory at a time.
const auditPage = 500

// Oversold looks through all trips for more seats taken than there are and for a
// wrong number of seats left, and returns a sentence for each finding.
func (s *Service) Oversold(ctx context.Context) ([]string, error) {
	return s.audit(ctx, func(t Trip, found func(format string, args ...any)) {
		load := t.Plan.MaxLoad()
		if load > t.Seats {
			found("%d seats taken of %d", load, t.Seats)
		}
		if left := t.Seats - load; left != t.SeatsLeft {
			found("%d seats left on record, %d by its plan", t.SeatsLeft, left)
		}
	})
}

// PlanOrder looks through all trips for plans that cannot be driven as written: an
// order not picked up and then dropped off once each, times that fall, and, until the
// departure, a pickup before its time or a dropoff after the promised one. Of trips
// that have departed it finds stops made out of their order, and those not made when
// the trip is over. It returns a sentence for each finding.
func (s *Service) PlanOrder(ctx context.Context) ([]string, error) {
	return s.audit(ctx, func(t Trip, found func(format string, args ...any)) {
		aboard := map[uuid.UUID]bool{} // present: picked up; true: not yet dropped off
		at, ahead := t.DepartAt, false
		for _, stop := range t.Plan {
			riding, seen := aboard[stop.OrderID]
			switch {
			case stop.Kind == Pickup && seen:
				found("order %s is picked up twice", stop.OrderID)
			case stop.Kind == Pickup && t.Status == Open && stop.At.Before(stop.Earliest):
				found("order %s is picked up before its time", stop.OrderID)
			case stop.Kind == Dropoff && !riding:
				found("order %s is dropped off without being aboard", stop.OrderID)
			case stop.Kind == Dropoff && t.Status == Open && stop.At.After(stop.Latest):
				found("order %s arrives later than promised", stop.OrderID)
			}
			aboard[stop.OrderID] = stop.Kind == Pickup
			switch stop.State {
			case Missed, Dropped:
				continue // when is of no account
			case Ahead, Reached:
				ahead = true
			case Made:
				if ahead {
					found("the %s of order %s is made before its turn", stop.Kind, stop.OrderID)
				}
			}
			if stop.At.Before(at) {
				found("the times of its plan fall at the %s of order %s", stop.Kind, stop.OrderID)
			}
			at = stop.At
		}
		if t.Status == Completed && ahead {
			found("it is completed with stops ahead")
		}
		if t.ArriveAt.Before(at) {
			found("it arrives before its last stop")
		}
		for _, id := range t.Plan.Orders() {
			if aboard[id] {
				found("order %s is never dropped off", id)
			}
		}
	})
}

// audit runs the rule on every trip, oldest first, a page at a time.
func (s *Service) audit(ctx context.Context, rule func(t Trip, found func(string, ...any))) (findings []string, err error) {
	for after := uuid.Nil; ; {
		trips, err := find(s.db.Read(ctx).Where("id > ?", after).Order("id").Limit(auditPage))
		if err != nil {
			return nil, err
		}
		for _, t := range trips {
			rule(t, func(format string, args ...any) {
				findings = append(findings, fmt.Sprintf("trip %s: "+format, append([]any{t.ID}, args...)...))
			})
			after = t.ID
		}
		if len(trips) < auditPage {
			return findings, nil
		}
	}
}
