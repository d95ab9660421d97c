package jobs

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
)

var pruneKind = Kind[struct{}]{
	Name: "jobs:prune", Queue: "low", Tries: 3, Backoff: Fixed(time.Minute), Timeout: 5 * time.Minute,
}

// RegisterPrune attaches the job that deletes flows and single jobs which ended
// longer than keep ago, and returns when it is to run.
func (s *System) RegisterPrune(r *Registry, keep time.Duration) Periodic {
	Handle(r, pruneKind, func(ctx context.Context, a *Attempt, _ struct{}) error {
		return s.core.prune(ctx, s.core.clock.Now().Add(-keep))
	})
	return Periodic{Every: time.Hour, Job: pruneKind.New(struct{}{})}
}

// prunePage is how many flows or jobs one transaction deletes.
const prunePage = 200

func (c *core) prune(ctx context.Context, before time.Time) error {
	for _, p := range []struct {
		find    string
		deletes []string
	}{
		{"SELECT id FROM flows WHERE finished_at < ? LIMIT ?", []string{
			"DELETE FROM jobs WHERE flow_id IN ?", "DELETE FROM batches WHERE flow_id IN ?", "DELETE FROM flows WHERE id IN ?",
		}},
		{"SELECT id FROM jobs WHERE finished_at < ? AND flow_id IS NULL LIMIT ?", []string{"DELETE FROM jobs WHERE id IN ?"}},
	} {
		if err := c.prunePages(ctx, before, p.find, p.deletes); err != nil {
			return err
		}
	}
	return nil
}

func (c *core) prunePages(ctx context.Context, before time.Time, find string, deletes []string) error {
	for {
		var ids []uuid.UUID
		if err := c.db.Read(ctx).Raw(find, before, prunePage).Scan(&ids).Error; err != nil || len(ids) == 0 {
			return err
		}
		err := c.db.Tx(ctx, func(tx *db.Tx) error {
			for _, statement := range deletes {
				if _, err := tx.Change(statement, ids); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
}
