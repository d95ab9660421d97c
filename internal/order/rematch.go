package order

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/notify"
	"github.com/spotpool/spotpool/internal/trip"
)

// What becomes of orders whose trip is called off.

type rematchArgs struct {
	OrderID uuid.UUID `json:"order_id"`
	TripID  uuid.UUID `json:"trip_id"`        // that it has lost
	Told    bool      `json:"told,omitempty"` // whether who called it off has its riders told; earlier versions had not
}

// However often a trip is called off, an order is taken off it once.
var rematchKind = jobs.Kind[rematchArgs]{
	Name: "order:rematch", Queue: "orders", Tries: 60, Timeout: 10 * time.Second,
	Backoff:           jobs.Exponential(time.Second, time.Hour),
	DeleteWhenMissing: true,
	Unique:            func(a rematchArgs) string { return a.OrderID.String() },
	Tags: func(a rematchArgs) []string {
		return []string{"order:" + a.OrderID.String(), "trip:" + a.TripID.String()}
	},
}

// Rematch returns the job that takes an order off a trip that was called off and
// has another one found for it. Its fare stays held meanwhile.
func Rematch(id, lost uuid.UUID) jobs.Job { return rematchKind.New(rematchArgs{id, lost, true}) }

// CancelTrip calls off a trip in the caller's transaction and has other trips found
// for its orders. driver is who asks, Nil for an operator. It fails as
// trip.Service.Cancel does.
func (s *Service) CancelTrip(tx *db.Tx, id, driver uuid.UUID) (trip.Trip, error) {
	t, err := s.trips.Cancel(tx, id, driver)
	if err != nil {
		return t, err
	}
	var lost []jobs.Job
	for _, order := range t.Plan.Orders() {
		lost = append(lost, Rematch(order, t.ID))
	}
	s.watch(tx, t)
	return t, s.queue.Dispatch(tx, lost...)
}

// untilConfirmed is how long a rematch waits for an order that is being confirmed.
const untilConfirmed = time.Second

func (s *Service) rematch(ctx context.Context, a *jobs.Attempt, args rematchArgs) error {
	return a.Done(ctx, func(tx *db.Tx) error {
		o, err := lock(tx, args.OrderID)
		switch {
		case err != nil:
			return err
		case o.TripID.UUID != args.TripID:
			return jobs.Skip("the order is not on that trip any more")
		case o.Status == Matched:
			// Its flow is holding the fare; it confirms the order or closes it.
			return jobs.Release(untilConfirmed, "its fare is being held")
		case o.Status != Confirmed:
			return jobs.Skip("the order is " + string(o.Status))
		}
		if err := s.searchAgain(tx, o); err != nil || args.Told {
			return err
		}
		return notify.TripEvent{Trip: args.TripID, Event: notify.Rematching, Orders: []uuid.UUID{o.ID}}.Tell(tx, s.queue)
	})
}

// searchAgain takes a confirmed order off its trip and starts its flow anew.
func (s *Service) searchAgain(tx *db.Tx, o Order) error {
	from := s.clock.Now()
	if o.DepartAfter.After(from) {
		from = o.DepartAfter
	}
	until := s.matchUntil(from, o.ArriveBefore, o.Duration)
	err := s.move(tx, o.ID, Matching, ReasonTrip, `trip_id = NULL, pickup_at = NULL, dropoff_at = NULL, matched_at = NULL,
		confirmed_at = NULL, rematches = rematches + 1, match_until = ?`, until)
	if err != nil {
		return err
	}
	if _, err := s.trips.RemoveOrder(tx, o.TripID.UUID, o.ID); err != nil {
		return err
	}
	_, err = s.queue.Start(tx, jobs.Subject{Kind: "order", ID: o.ID}, Fulfil(o.ID, until))
	return err
}
