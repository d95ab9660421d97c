package order

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/rating"
	"github.com/spotpool/spotpool/internal/trip"
)

// What becomes of trips that departed and whose drivers never said that they ended.

type abandonedArgs struct {
	TripID uuid.UUID `json:"trip_id"`
}

var findAbandonedKind = jobs.Kind[struct{}]{
	Name: "order:find_abandoned", Queue: "low", Tries: 3, Timeout: 30 * time.Second,
	Backoff: jobs.Fixed(time.Minute),
}

// While it waits or is tried, the next look does not ask for it again.
var endAbandonedKind = jobs.Kind[abandonedArgs]{
	Name: "order:end_abandoned", Queue: "orders", Tries: 10, Timeout: 10 * time.Second,
	Backoff:           jobs.Exponential(time.Second, time.Hour),
	DeleteWhenMissing: true,
	Unique:            func(a abandonedArgs) string { return a.TripID.String() },
	Tags:              func(a abandonedArgs) []string { return []string{"trip:" + a.TripID.String()} },
}

// EndAbandoned returns the job that ends a trip in its driver's stead, if that has been
// due for trip.AbandonedAfter: who has got in counts as dropped off and pays for the
// ride, who has not is cancelled and pays nothing.
func EndAbandoned(id uuid.UUID) jobs.Job { return endAbandonedKind.New(abandonedArgs{id}) }

const (
	lookForAbandoned = 10 * time.Minute
	abandonedAtOnce  = 500 // trips that one look finds
)

// Abandoned says when abandoned trips are looked for.
func (s *Service) Abandoned() jobs.Periodic {
	return jobs.Periodic{Every: lookForAbandoned, Job: jobs.Same(findAbandonedKind.New(struct{}{}))}
}

func (s *Service) findAbandoned(ctx context.Context, a *jobs.Attempt, _ struct{}) error {
	ids, err := s.trips.Abandoned(ctx, abandonedAtOnce)
	if err != nil {
		return err
	}
	ends := make([]jobs.Job, len(ids))
	for i, id := range ids {
		ends[i] = EndAbandoned(id)
	}
	return a.Done(ctx, func(tx *db.Tx) error { return s.queue.Dispatch(tx, ends...) })
}

func (s *Service) endAbandoned(ctx context.Context, a *jobs.Attempt, args abandonedArgs) error {
	return a.Done(ctx, func(tx *db.Tx) error {
		t, left, err := s.trips.EndAbandoned(tx, args.TripID)
		if err != nil {
			return err
		}
		for _, id := range left {
			if err := s.endOn(tx, t, id); err != nil {
				return err
			}
		}
		s.watch(tx, t)
		return nil
	})
}

// endOn ends an order on a trip that was abandoned.
func (s *Service) endOn(tx *db.Tx, t trip.Trip, id uuid.UUID) error {
	o, err := lock(tx, id)
	switch {
	case err != nil:
		return err
	case o.Status == Riding:
		_, out := t.Plan.Ends(id)
		return s.arrive(tx, id, ReasonAbandoned, out.At)
	case o.Status.Can(Cancelled):
		return s.callOff(tx, id, ReasonAbandoned, 0)
	}
	return nil // called off before; its flow is about to say so
}

// arrive completes an order whose rider was dropped off.
func (s *Service) arrive(tx *db.Tx, id uuid.UUID, reason string, at time.Time) error {
	if err := s.move(tx, id, Completed, reason, "dropoff_at = ?", at); err != nil {
		return err
	}
	return s.queue.Dispatch(tx, rating.Remind(id))
}
