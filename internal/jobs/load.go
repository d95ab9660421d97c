package jobs

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
)

// load is a question for a job as it stands now.
type load struct {
	id     uuid.UUID
	answer chan loaded
}

type loaded struct {
	row *jobRow
	err error
}

// loadTimeout bounds a question for jobs.
const loadTimeout = 10 * time.Second

// load reads a job as it stands now, with the state of its flow, together with
// others that are asked for at the same time. It returns db.ErrNotFound when
// there is none.
func (c *core) load(ctx context.Context, id uuid.UUID) (*jobRow, error) {
	l := &load{id, make(chan loaded, 1)}
	if !c.loads.add(l) {
		return nil, errClosed
	}
	select {
	case a := <-l.answer:
		return a.row, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (c *core) loadTogether(group []*load) {
	ctx, cancel := context.WithTimeout(context.Background(), loadTimeout)
	defer cancel()
	ids := make([]uuid.UUID, len(group))
	for i, l := range group {
		ids[i] = l.id
	}
	rows, err := c.readJobs(ctx, ids)
	byID := make(map[uuid.UUID]*jobRow, len(rows))
	for i := range rows {
		byID[rows[i].ID] = &rows[i]
	}
	for _, l := range group {
		switch row := byID[l.id]; {
		case err != nil:
			l.answer <- loaded{nil, err}
		case row == nil:
			l.answer <- loaded{nil, db.ErrNotFound}
		default:
			own := *row // a job that was delivered twice is asked for twice
			l.answer <- loaded{&own, nil}
		}
	}
}

// readJobs reads jobs for their runs: what a run needs, without gorm's reflection,
// which would cost as much as the rest of it.
func (c *core) readJobs(ctx context.Context, ids []uuid.UUID) (found []jobRow, err error) {
	rows, err := c.db.Read(ctx).Raw(`SELECT j.id, j.flow_id, j.batch_id, j.branch, j.stage, j.kind, j.queue, j.args, j.sealed, j.tags,
		j.unique_key, j.state, j.attempts, j.generation, j.wakes, j.due_at, j.retry_until, j.note, COALESCE(f.state, ''), COALESCE(f.cause, '')
		FROM jobs j LEFT JOIN flows f ON f.id = j.flow_id WHERE j.id IN ?`, ids).Rows()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var r jobRow
		err := rows.Scan(&r.ID, &r.FlowID, &r.BatchID, &r.Branch, &r.Stage, &r.Kind, &r.Queue, &r.Args, &r.Sealed, &r.Tags,
			&r.UniqueKey, &r.State, &r.Attempts, &r.Generation, &r.Wakes, &r.DueAt, &r.RetryUntil, &r.Note, &r.FlowState, &r.FlowCause)
		if err != nil {
			return nil, err
		}
		found = append(found, r)
	}
	return found, rows.Err()
}
