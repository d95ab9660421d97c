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

type decideArgs struct{}

var (
	// It has as much time as the order has, but not as many errors.
	findTripKind = jobs.Kind[findTripArgs]{
		Name: "match:find_trip", Queue: "match", Tries: 5, MaxExceptions: 5, Timeout: 10 * time.Second,
		Backoff: jobs.Exponential(100*time.Millisecond, 10*time.Second),
		Tags:    func(a findTripArgs) []string { return []string{"order:" + a.OrderID.String()} },
	}
	// It looks at the trip as it is when it starts: until then, one will do.
	wakeWaitingKind = jobs.Kind[wakeWaitingArgs]{
		Name: "match:wake_waiting", Queue: "match", Tries: 5, Timeout: 10 * time.Second,
		Backoff:           jobs.Exponential(100*time.Millisecond, 10*time.Second),
		DeleteWhenMissing: true,
		Unique:            func(a wakeWaitingArgs) string { return a.TripID.String() },
		UntilStart:        true,
		Tags:              func(a wakeWaitingArgs) []string { return []string{"trip:" + a.TripID.String()} },
	}
	// It looks at the orders that wait when it starts: until then, one will do.
	decideKind = jobs.Kind[decideArgs]{
		Name: "match:decide", Queue: "match", Tries: 5, Timeout: 30 * time.Second,
		Backoff:    jobs.Exponential(100*time.Millisecond, 10*time.Second),
		Unique:     func(decideArgs) string { return "all" },
		UntilStart: true,
	}
)

// FindTrip returns the job that puts an order on a trip. It is released while
// no trip suits the order, and fails with jobs.ErrDeadline when its time is up.
func FindTrip(orderID uuid.UUID, until time.Time) jobs.Job {
	return findTripKind.New(findTripArgs{orderID}).Until(until)
}

// WakeWaiting returns the job that makes the waiting orders that the trip suits
// search again: trip.Config's Roomier.
func WakeWaiting(tripID uuid.UUID) jobs.Job { return wakeWaitingKind.New(wakeWaitingArgs{tripID}) }

// Decide returns the job that decides the orders that wait, together. Until it starts
// there is one of them.
func Decide() jobs.Job { return decideKind.New(decideArgs{}) }

// Register attaches the handlers of this package's jobs.
func (s *Service) Register(r *jobs.Registry) {
	jobs.Handle(r, findTripKind, s.findTrip)
	jobs.Handle(r, wakeWaitingKind, s.wakeWaiting)
	jobs.Handle(r, decideKind, s.decide)
}

func (s *Service) findTrip(ctx context.Context, a *jobs.Attempt, args findTripArgs) error {
	ctx = logs.With(ctx, slog.String("order_id", args.OrderID.String()))
	return s.place(ctx, args.OrderID, a.Done)
}

func (s *Service) wakeWaiting(ctx context.Context, _ *jobs.Attempt, args wakeWaitingArgs) error {
	ctx = logs.With(ctx, slog.String("trip_id", args.TripID.String()))
	return s.wake(ctx, args.TripID)
}
