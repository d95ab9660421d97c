package notify

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/jobs"
)

// Jobs that earlier versions have written and that may still be in the database.

type retimedArgs struct {
	Order   uuid.UUID `json:"order_id"`
	Version int       `json:"trip_version"`
}

type tripCancelledArgs struct {
	Trip uuid.UUID `json:"trip_id"`
}

var retimedKind = jobs.Kind[retimedArgs]{
	Name: "notify:retimed", Queue: "notify", Tries: 8,
	Backoff: jobs.Exponential(time.Second, time.Minute), Timeout: 10 * time.Second,
	DeleteWhenMissing: true,
}

var tripCancelledKind = jobs.Kind[tripCancelledArgs]{
	Name: "notify:trip_cancelled", Queue: "notify", Tries: 8,
	Backoff: jobs.Exponential(time.Second, time.Minute), Timeout: 10 * time.Second,
	DeleteWhenMissing: true,
}

func (s *Service) registerEarlier(r *jobs.Registry) {
	jobs.Handle(r, retimedKind, func(ctx context.Context, a *jobs.Attempt, args retimedArgs) error {
		ride, err := s.deps.Rides.Ride(ctx, args.Order)
		if err != nil {
			return err
		}
		if why := moot(Late, ride, uuid.Nil); why != "" {
			return jobs.Skip(why)
		}
		letters, err := s.letters(ctx, ride, []part{{ToRider, Late}}, aboutTimes(args.Order, ride.TripID, args.Version))
		if err != nil {
			return err
		}
		return s.deliver(ctx, a, letters)
	})
	jobs.Handle(r, tripCancelledKind, func(ctx context.Context, a *jobs.Attempt, args tripCancelledArgs) error {
		told, err := s.toDriver(ctx, args.Trip, TripCancelled, args.Trip)
		if err != nil {
			return err
		}
		return s.deliver(ctx, a, []letter{told})
	})
}
