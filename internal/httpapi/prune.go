package httpapi

import (
	"context"
	"time"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/jobs"
)

// keepKeys is how long an Idempotency-Key is remembered, by the wall's clock: it is
// clients that repeat requests.
const keepKeys = 24 * time.Hour

// pruneChunk is how many keys one transaction deletes at the most.
const pruneChunk = 1000

var pruneKind = jobs.Kind[struct{}]{
	Name: "api:prune_keys", Queue: "low", Tries: 3, Backoff: jobs.Fixed(time.Minute), Timeout: 5 * time.Minute,
}

// RegisterPrune attaches the job that forgets old Idempotency-Keys, and returns
// when it is to run.
func (s *Server) RegisterPrune(r *jobs.Registry) jobs.Periodic {
	jobs.Handle(r, pruneKind, func(ctx context.Context, _ *jobs.Attempt, _ struct{}) error {
		return s.pruneKeys(ctx, s.Clock.Now().Add(-clock.App(s.Clock, keepKeys)))
	})
	return jobs.Periodic{Every: time.Hour, Job: jobs.Same(pruneKind.New(struct{}{}))}
}

// pruneKeys deletes the keys of a short span of time after another, oldest first.
func (s *Server) pruneKeys(ctx context.Context, before time.Time) error {
	for {
		var old []time.Time
		err := s.DB.Read(ctx).Raw("SELECT created_at FROM idempotency_keys WHERE created_at < ? ORDER BY created_at LIMIT ?",
			before, pruneChunk).Scan(&old).Error
		if err != nil || len(old) == 0 {
			return err
		}
		err = s.DB.Tx(ctx, func(tx *db.Tx) error {
			_, err := tx.Change("DELETE FROM idempotency_keys WHERE created_at <= ?", old[len(old)-1])
			return err
		})
		if err != nil {
			return err
		}
	}
}
