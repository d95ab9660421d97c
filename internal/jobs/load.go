package jobs

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
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
	byID, err := c.readJobs(ctx, ids)
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
func (c *core) readJobs(ctx context.Context, ids []uuid.UUID) (found map[uuid.UUID]*jobRow, err error) {
	rows, err := c.db.Read(ctx).Raw(`SELECT j.id, j.flow_id, j.batch_id, j.branch, j.stage, j.kind, j.queue, j.args, j.sealed, j.tags,
		j.unique_key, j.state, j.attempts, j.generation, j.wakes, j.due_at, j.retry_until, j.note, COALESCE(f.state, ''), COALESCE(f.cause, ''),
		`+isKnown+`, n.id, COALESCE(n.kind, ''), COALESCE(n.queue, '')
		FROM jobs j LEFT JOIN flows f ON f.id = j.flow_id `+followed+` WHERE j.id IN ?`, ids).Rows()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	found = make(map[uuid.UUID]*jobRow, len(ids))
	all := make([]jobRow, 0, len(ids))
	var r jobRow
	var nextID uuid.NullUUID
	var nextKind, nextQueue string
	w := words{}
	to := []any{&r.ID, &r.FlowID, &r.BatchID, w.into(&r.Branch), &r.Stage, w.into(&r.Kind), w.into(&r.Queue), &r.Args, &r.Sealed,
		w.into(&r.Tags), &r.UniqueKey, w.into(&r.State), &r.Attempts, &r.Generation, &r.Wakes, &r.DueAt, &r.RetryUntil,
		w.into(&r.Note), w.into(&r.FlowState), w.into(&r.FlowCause),
		&r.next.known, &nextID, w.into(&nextKind), w.into(&nextQueue)}
	for rows.Next() {
		if err := rows.Scan(to...); err != nil {
			return nil, err
		}
		if r.next.job = nil; nextID.Valid {
			r.next.job = &jobRow{ID: nextID.UUID, Kind: nextKind, Queue: nextQueue}
		}
		all = append(all, r)
		found[r.ID] = &all[len(all)-1]
	}
	return found, rows.Err()
}

// words holds the few words that many rows have in their columns, once each.
type words map[string]string

// into returns what scans a word into to.
func (w words) into(to *string) sql.Scanner { return &word{w, to} }

type word struct {
	words words
	to    *string
}

// Scan implements sql.Scanner.
func (w *word) Scan(from any) error {
	switch from := from.(type) {
	case []byte:
		known, ok := w.words[string(from)]
		if !ok {
			known = string(from)
			w.words[known] = known
		}
		*w.to = known
	case string:
		*w.to = from
	default:
		return fmt.Errorf("jobs: a word is stored as %T", from)
	}
	return nil
}
