package jobs

import (
	"context"
	"encoding/binary"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
)

var pruneKind = Kind[struct{}]{
	Name: "jobs:prune", Queue: "low", Tries: 3, Backoff: Fixed(time.Minute), Timeout: 5 * time.Minute,
}

// RegisterPrune attaches the job that deletes flows and single jobs which ended
// longer than keep ago, and the records of jobs which failed longer than
// keepFailed ago, and returns when it is to run.
func (s *System) RegisterPrune(r *Registry, keep, keepFailed time.Duration) Periodic {
	Handle(r, pruneKind, func(ctx context.Context, a *Attempt, _ struct{}) error {
		now := s.core.clock.Now()
		return s.core.prune(ctx, now.Add(-keep), now.Add(-keepFailed))
	})
	return Periodic{Every: time.Hour, Job: Same(pruneKind.New(struct{}{}))}
}

// firstID returns the least id of what was made from t on. Ids are UUIDs of
// version 7, which begin with the time of their making in milliseconds, so that
// what is old is found by primary key, and no index has to be kept for it. They are made
// by the wall's clock, which the application's may be ahead of: so no more than what an
// id says is certain, and a condition has to look at the row's own time too.
func firstID(t time.Time) uuid.UUID {
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[:], uint64(t.UnixMilli())<<16)
	return id
}

// prunePage is how many flows or jobs one transaction deletes.
const prunePage = 200

func (c *core) prune(ctx context.Context, ended, failed time.Time) error {
	_, err := c.deleteFlows(ctx, true, "id < ? AND finished_at < ? AND batch_id IS NULL", firstID(ended), ended)
	if err != nil {
		return err
	}
	for _, p := range []struct {
		page   func(*db.Tx, time.Time) (int, error)
		before time.Time
	}{{pruneJobs, ended}, {pruneFailed, failed}} {
		if _, err := c.byPages(ctx, func(tx *db.Tx) (int, error) { return p.page(tx, p.before) }); err != nil {
			return err
		}
	}
	return nil
}

// byPages calls page in transactions of its own until it deletes less than a
// page, and returns how much it deleted.
func (c *core) byPages(ctx context.Context, page func(tx *db.Tx) (int, error)) (total int, err error) {
	for {
		var n int
		err := c.db.Tx(ctx, func(tx *db.Tx) (err error) {
			n, err = page(tx)
			return err
		})
		if err != nil {
			return total, err
		}
		if total += n; n < prunePage {
			return total, nil
		}
	}
}

// PruneBatches deletes flows that hold batches: those that ended before a time,
// and those that began before another and have not ended, where it is not zero.
// It returns how many flows it deleted.
func (a *Admin) PruneBatches(ctx context.Context, ended, unfinished time.Time) (int, error) {
	const holds = " AND batch_id IS NULL AND EXISTS (SELECT 1 FROM job_batches b WHERE b.flow_id = flows.id)"
	c := a.sys.core
	n, err := c.deleteFlows(ctx, true, "id < ? AND finished_at < ?"+holds, firstID(ended), ended)
	if err != nil || unfinished.IsZero() {
		return n, err
	}
	more, err := c.deleteFlows(ctx, false, "id < ? AND finished_at IS NULL AND created_at < ?"+holds, firstID(unfinished), unfinished)
	return n + more, err
}

// deleteFlows deletes the flows that the condition finds, with all that is nested
// in them, or the idle ones alone. It takes a page in a transaction, and returns
// how many it deleted. They are locked first, so that none is being undone or
// taken up again.
func (c *core) deleteFlows(ctx context.Context, idleAlone bool, where string, args ...any) (deleted int, err error) {
	var after uuid.UUID
	for {
		var page, doomed []uuid.UUID
		err := c.db.Tx(ctx, func(tx *db.Tx) error {
			page = nil
			err := tx.Clauses(db.ForUpdate).Table("flows").Where("id > ? AND "+where, append([]any{after}, args...)...).
				Order("id").Limit(prunePage).Pluck("id", &page).Error
			if err != nil {
				return err
			}
			if doomed = page; idleAlone {
				if doomed, err = idleOf(tx, page); err != nil {
					return err
				}
			}
			for ids := doomed; err == nil && len(ids) > 0; {
				ids, err = deleteWithRows(tx, ids)
			}
			return err
		})
		if err != nil {
			return deleted, err
		}
		if deleted += len(doomed); len(page) < prunePage {
			return deleted, nil
		}
		after = page[len(page)-1]
	}
}

// idleOf returns those of the flows of which no job is to run, such as a callback
// or one that was taken up again, neither their own nor one of a flow that is
// nested in them at whatever depth.
func idleOf(tx *db.Tx, flows []uuid.UUID) ([]uuid.UUID, error) {
	outermost, busy := map[uuid.UUID]uuid.UUID{}, map[uuid.UUID]bool{}
	for _, id := range flows {
		outermost[id] = id
	}
	for level := flows; len(level) > 0; {
		var next []uuid.UUID
		for chunk := range slices.Chunk(level, insertChunk) {
			ready, err := idsOf(tx, "SELECT DISTINCT flow_id FROM jobs WHERE flow_id IN ? AND state = 'ready'", chunk)
			if err != nil {
				return nil, err
			}
			for _, id := range ready {
				busy[outermost[id]] = true
			}
			var nested []struct{ ID, Around uuid.UUID }
			err = tx.Raw("SELECT f.id, b.flow_id AS around FROM job_batches b JOIN flows f ON f.batch_id = b.id WHERE b.flow_id IN ?",
				chunk).Scan(&nested).Error
			if err != nil {
				return nil, err
			}
			for _, n := range nested {
				outermost[n.ID] = outermost[n.Around]
				next = append(next, n.ID)
			}
		}
		level = next
	}
	return slices.DeleteFunc(slices.Clone(flows), func(id uuid.UUID) bool { return busy[id] }), nil
}

// deleteWithRows deletes flows with their jobs and batches and returns the flows
// that were nested in them.
func deleteWithRows(tx *db.Tx, ids []uuid.UUID) (nested []uuid.UUID, err error) {
	for chunk := range slices.Chunk(ids, insertChunk) {
		inner, err := idsOf(tx, "SELECT f.id FROM job_batches b JOIN flows f ON f.batch_id = b.id WHERE b.flow_id IN ?", chunk)
		if err != nil {
			return nil, err
		}
		nested = append(nested, inner...)
		for _, statement := range []string{
			"DELETE FROM jobs WHERE flow_id IN ?", "DELETE FROM job_batches WHERE flow_id IN ?", "DELETE FROM flows WHERE id IN ?",
		} {
			if _, err := tx.Change(statement, chunk); err != nil {
				return nil, err
			}
		}
	}
	return nested, nil
}

// pruneJobs deletes a page of jobs that belong to no flow.
func pruneJobs(tx *db.Tx, before time.Time) (int, error) {
	var ids []uuid.UUID
	err := tx.Table("jobs").Where("id < ? AND finished_at < ? AND flow_id IS NULL", firstID(before), before).
		Limit(prunePage).Pluck("id", &ids).Error
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	_, err = tx.Change("DELETE FROM jobs WHERE id IN ?", ids)
	return len(ids), err
}

// pruneFailed deletes a page of the records of failed jobs.
func pruneFailed(tx *db.Tx, before time.Time) (int, error) {
	var ids []uuid.UUID
	err := tx.Table("failed_jobs").Where("failed_at < ?", before).Order("failed_at, job_id").Limit(prunePage).Pluck("job_id", &ids).Error
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	_, err = tx.Change("DELETE FROM failed_jobs WHERE job_id IN ? AND failed_at < ?", ids, before)
	return len(ids), err
}
