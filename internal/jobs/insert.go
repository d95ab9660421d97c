package jobs

import (
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
)

// insertChunk bounds the rows of one statement well below both databases' limit on its parameters.
const insertChunk = 500

// insert writes new jobs and sends those that are ready to Redis after the commit.
func (c *core) insert(tx *db.Tx, rows []jobRow) error {
	if len(rows) == 0 {
		return nil
	}
	for i := range rows {
		rows[i].whole = !rows[i].FlowID.Valid || rows[i].FlowState != ""
	}
	for chunk := range slices.Chunk(rows, insertChunk) {
		if err := insertJobs(tx, chunk); err != nil {
			return err
		}
	}
	c.deliverAfter(tx, rows)
	return nil
}

// insertJobs writes rows in one statement.
func insertJobs(tx *db.Tx, rows []jobRow) error {
	return insertRows(tx, "jobs", `id, flow_id, batch_id, branch, stage, position, kind, queue, args, sealed, tags, unique_key,
		state, generation, delay_ms, due_at, retry_until, note, created_at, attempts, wakes, last_error`, rows,
		func(to []any, r *jobRow) []any {
			return append(to, r.ID, r.FlowID, r.BatchID, r.Branch, r.Stage, r.Position, r.Kind, r.Queue, r.Args, r.Sealed, r.Tags, r.UniqueKey,
				r.State, r.Generation, r.DelayMs, r.DueAt, r.RetryUntil, r.Note, r.CreatedAt, 0, 0, "")
		})
}

// insertFlows is insertJobs for flows.
func insertFlows(tx *db.Tx, rows []flowRow) error {
	return insertRows(tx, "flows", "id, batch_id, nests, subject_kind, subject_id, sentence, state, branch, stage, verdict, cause, created_at", rows,
		func(to []any, r *flowRow) []any {
			return append(to, r.ID, r.BatchID, r.Nests, r.SubjectKind, r.SubjectID, r.Sentence, r.State, r.Branch, r.Stage, r.Verdict, r.Cause, r.CreatedAt)
		})
}

// insertRows writes rows in one statement, without gorm's reflection, which would
// cost as much as all the rest. Of columns in which no row says anything, those that
// may be NULL are left out and the others stand in the statement's text: what it
// carries as an argument costs more.
func insertRows[R any](tx *db.Tx, table, columns string, rows []R, values func(to []any, r *R) []any) error {
	names := strings.Split(columns, ",")
	width := len(names)
	all := make([]any, 0, width*len(rows))
	for i := range rows {
		all = values(all, &rows[i])
	}
	texts := make([]string, width)
	for c := range texts {
		texts[c] = blank(all[c])
		for i := c; i < len(all) && texts[c] != argument; i += width {
			texts[c] = blank(all[i])
		}
	}
	args := make([]any, 0, len(all))
	for i, value := range all {
		if texts[i%width] == argument {
			args = append(args, value)
		}
	}
	var into, row []string
	for c, text := range texts {
		if text != null {
			into, row = append(into, names[c]), append(row, text)
		}
	}
	tuple := ", (" + strings.Join(row, ", ") + ")"
	return tx.Write("INSERT INTO "+table+" ("+strings.Join(into, ",")+") VALUES "+strings.Repeat(tuple, len(rows))[2:], args...)
}

const (
	argument = "?"
	null     = "NULL"
)

// blank returns the SQL of a value that says nothing, and argument for others.
func blank(value any) string {
	switch v := value.(type) {
	case int:
		if v == 0 {
			return "0"
		}
	case int64:
		if v == 0 {
			return "0"
		}
	case bool:
		if !v {
			return "FALSE"
		}
	case string:
		if v == "" {
			return "''"
		}
	case uuid.NullUUID:
		if !v.Valid {
			return null
		}
	case *string:
		if v == nil {
			return null
		}
	case *time.Time:
		if v == nil {
			return null
		}
	}
	return argument
}

// deliverAfter sends the rows that are ready to Redis once tx has committed.
func (c *core) deliverAfter(tx *db.Tx, rows []jobRow) {
	out := make([]delivery, 0, len(rows))
	for i := range rows {
		if rows[i].State == jobReady {
			d := rows[i].delivery()
			if rows[i].whole {
				d.row = &rows[i]
			}
			out = append(out, d)
		}
	}
	if len(out) == 0 {
		return
	}
	tx.After(func() {
		c.courier.send(out...)
		for _, d := range out {
			c.tell(Event{JobID: d.id, Kind: d.kind, Queue: d.queue, Result: "queued"})
		}
	})
}
