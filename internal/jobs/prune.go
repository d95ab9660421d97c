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
	for _, page := range []func(*db.Tx, time.Time) (int, error){pruneFlows, pruneJobs} {
		for more := true; more; {
			err := c.db.Tx(ctx, func(tx *db.Tx) error {
				n, err := page(tx, before)
				more = n == prunePage
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// pruneFlows deletes a page of flows, locked first so that none is being undone.
func pruneFlows(tx *db.Tx, before time.Time) (int, error) {
	var ids []uuid.UUID
	err := tx.Clauses(db.ForUpdate).Table("flows").Where("finished_at < ?", before).Limit(prunePage).Pluck("id", &ids).Error
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	for _, statement := range []string{
		"DELETE FROM jobs WHERE flow_id IN ?", "DELETE FROM batches WHERE flow_id IN ?", "DELETE FROM flows WHERE id IN ?",
	} {
		if _, err := tx.Change(statement, ids); err != nil {
			return 0, err
		}
	}
	return len(ids), nil
}

// pruneJobs deletes a page of jobs that belong to no flow.
func pruneJobs(tx *db.Tx, before time.Time) (int, error) {
	var ids []uuid.UUID
	err := tx.Table("jobs").Where("finished_at < ? AND flow_id IS NULL", before).Limit(prunePage).Pluck("id", &ids).Error
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	_, err = tx.Change("DELETE FROM jobs WHERE id IN ?", ids)
	return len(ids), err
}
