package trip

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/jobs"
)

type departArgs struct {
	TripID uuid.UUID `json:"trip_id"`
}

var departKind = jobs.Kind[departArgs]{
	Name: "trip:depart", Queue: "low", Tries: 10, Timeout: 10 * time.Second,
	Backoff: jobs.Exponential(time.Second, time.Minute),
}

// Depart returns the job that closes an open trip to orders once its time of departure has come.
func Depart(tripID uuid.UUID) jobs.Job { return departKind.New(departArgs{tripID}) }

// Register attaches the handlers of this package's jobs.
func (s *Service) Register(r *jobs.Registry) { jobs.Handle(r, departKind, s.depart) }

func (s *Service) depart(ctx context.Context, a *jobs.Attempt, args departArgs) error {
	t, err := s.Get(ctx, args.TripID)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if early := t.DepartAt.Sub(s.clock.Now()); early > 0 {
		return jobs.Release(early, "the trip has not departed yet")
	}
	return a.Done(ctx, func(tx *db.Tx) error { return s.markDeparted(tx, t.ID) })
}

// markDeparted moves the trip from open to departed; one that was closed already stays as it is.
func (s *Service) markDeparted(tx *db.Tx, id uuid.UUID) error {
	now := s.clock.Now()
	_, err := tx.Change(`UPDATE trips SET status = ?, version = version + 1, changed_at = ?
		WHERE id = ? AND status = ? AND depart_at <= ?`, Departed, now, id, Open, now)
	return err
}
