package match

import (
	"context"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/logs"
)

type findTripArgs struct {
	OrderID uuid.UUID `json:"order_id"`
}

type wakeWaitingArgs struct {
	TripID uuid.UUID `json:"trip_id"`
}

var (
	findTripKind = jobs.Kind[findTripArgs]{
		Name: "match:find_trip", Queue: "match", Tries: 5, Timeout: 10 * time.Second,
		Backoff: jobs.Exponential(100*time.Millisecond, 10*time.Second),
	}
	wakeWaitingKind = jobs.Kind[wakeWaitingArgs]{
		Name: "match:wake_waiting", Queue: "match", Tries: 5, Timeout: 10 * time.Second,
		Backoff: jobs.Exponential(100*time.Millisecond, 10*time.Second),
	}
)

// FindTrip returns the job that puts an order on a trip. It is released while
// no trip suits the order, and fails with the cause no_trip when its time is up.
func FindTrip(orderID uuid.UUID) jobs.Job { return findTripKind.New(findTripArgs{orderID}) }

// WakeWaiting returns the job that makes the waiting orders that the trip suits
// search again. Whoever offers a trip or frees seats on one dispatches it.
func WakeWaiting(tripID uuid.UUID) jobs.Job { return wakeWaitingKind.New(wakeWaitingArgs{tripID}) }

// Register attaches the handlers of this package's jobs.
func (s *Service) Register(r *jobs.Registry) {
	jobs.Handle(r, findTripKind, s.findTrip)
	jobs.Handle(r, wakeWaitingKind, s.wakeWaiting)
}

func (s *Service) findTrip(ctx context.Context, a *jobs.Attempt, args findTripArgs) error {
	ctx = logs.With(ctx, slog.String("order_id", args.OrderID.String()))
	return s.place(ctx, args.OrderID, a.Done)
}

func (s *Service) wakeWaiting(ctx context.Context, _ *jobs.Attempt, args wakeWaitingArgs) error {
	ctx = logs.With(ctx, slog.String("trip_id", args.TripID.String()))
	return s.wake(ctx, args.TripID)
}
