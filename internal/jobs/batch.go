package jobs

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
)

// When a callback of a batch starts.
const (
	onThen     = "then"
	onCatch    = "catch"
	onFinally  = "finally"
	onProgress = "progress"
)

type callback struct {
	on  string
	job Job
}

type callbacks []callback

// template is a callback as its batch keeps it.
type template struct {
	On      string `json:"on"`
	Kind    string `json:"kind"`
	Queue   string `json:"queue"`
	Args    string `json:"args"`
	Sealed  bool   `json:"sealed,omitempty"`
	DelayMs int64  `json:"delay_ms,omitempty"`
	Tags    string `json:"tags,omitempty"`

	Until *time.Time `json:"until,omitempty"`
}

// templates returns the callbacks as JSON, sealed arguments sealed.
func (c *core) templates(cbs callbacks) (string, error) {
	if len(cbs) == 0 {
		return "", nil
	}
	ts := make([]template, len(cbs))
	for i, cb := range cbs {
		row := c.newRow(cb.job, c.clock.Now())
		ts[i] = template{cb.on, row.Kind, row.Queue, row.Args, row.Sealed, row.DelayMs, row.Tags, row.RetryUntil}
	}
	raw, err := json.Marshal(ts)
	return string(raw), err
}

// tally is what the members of one batch that end together come to.
type tally struct {
	batch           uuid.UUID
	ended           int
	failed, skipped int
	causes          []string // of the failures
}

// tallies sums up the ends of batches' members, by batch in the order of their ids.
func tallies(ends []memberEnd) []*tally {
	by := map[uuid.UUID]*tally{}
	var all []*tally
	for _, e := range ends {
		if !e.batch.Valid {
			continue
		}
		t := by[e.batch.UUID]
		if t == nil {
			t = &tally{batch: e.batch.UUID}
			by[t.batch] = t
			all = append(all, t)
		}
		t.ended++
		switch e.state {
		case jobFailed:
			t.failed++
			t.causes = append(t.causes, e.cause)
		case jobSkipped:
			t.skipped++
		}
	}
	slices.SortFunc(all, func(a, b *tally) int { return cmp.Compare(a.batch.String(), b.batch.String()) })
	return all
}

// count takes a tally off the batch's count, starts the callbacks that are due,
// and returns the batch as it is then. The statement that counts also locks the
// row, so no other member's end is counted in between.
func (c *core) count(tx *db.Tx, t *tally) (b batchRow, err error) {
	_, err = tx.Change(`UPDATE job_batches SET pending = pending - ?, failed = failed + ?, skipped = skipped + ? WHERE id = ?`,
		t.ended, t.failed, t.skipped, t.batch)
	if err != nil {
		return b, err
	}
	if err := tx.Where("id = ?", t.batch).Take(&b).Error; err != nil {
		return b, err
	}
	over := b.Pending == 0 && b.FinishedAt == nil
	first := t.failed > 0 && !b.Caught
	if over || first {
		_, err = tx.Change(`UPDATE job_batches SET caught = ?, finished_at = COALESCE(finished_at, ?) WHERE id = ?`,
			b.Caught || first, c.when(over), b.ID)
		if err != nil {
			return b, err
		}
	}
	if b.Callbacks == "" {
		return b, nil
	}
	return b, c.call(tx, b, t, over, first)
}

// when returns the present time, or nil when there is none to write down.
func (c *core) when(yes bool) any {
	if !yes {
		return nil
	}
	return c.clock.Now()
}

// call starts the callbacks that the members' ends ask for.
func (c *core) call(tx *db.Tx, b batchRow, t *tally, over, first bool) error {
	var ts []template
	if err := json.Unmarshal([]byte(b.Callbacks), &ts); err != nil {
		return fmt.Errorf("callbacks of batch %s: %w", b.ID, err)
	}
	for _, tpl := range ts {
		var causes []string // one for each start
		switch {
		case tpl.On == onCatch && b.AllowFailures:
			causes = t.causes
		case tpl.On == onCatch && first:
			causes = t.causes[:1]
		case tpl.On == onThen && b.Pending == 0 && b.Failed == 0 && b.Skipped == 0,
			tpl.On == onFinally && over,
			tpl.On == onProgress:
			causes = []string{""}
		}
		for _, cause := range causes {
			if err := c.startCallback(tx, b, tpl, cause); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *core) startCallback(tx *db.Tx, b batchRow, t template, cause string) error {
	now := c.clock.Now()
	row := jobRow{
		ID: uuid.Must(uuid.NewV7()), FlowID: uuid.NullUUID{UUID: b.FlowID, Valid: true}, BatchID: uuid.NullUUID{UUID: b.ID, Valid: true},
		Branch: branchCallback, Stage: b.Stage, Kind: t.Kind, Queue: t.Queue, Args: t.Args, Sealed: t.Sealed, Tags: t.Tags,
		DelayMs: t.DelayMs, RetryUntil: t.Until, Note: cause, CreatedAt: now,
	}
	row.begin(now)
	if t.On == onProgress {
		return c.insertUnique(tx, row, fmt.Sprintf("progress:%s:%s", b.ID, t.Kind))
	}
	return c.insert(tx, []jobRow{row})
}

// add puts new members into a batch of which the running job is a member. Those
// of a batch whose flow was stopped are not begun any more: add reports false.
func (c *core) add(tx *db.Tx, row *jobRow, members []Member) (bool, error) {
	var flow flowRow
	err := tx.Clauses(db.ForUpdate).Where("id = ?", row.FlowID).Take(&flow).Error
	if err != nil || (flow.State != flowRunning && flow.State != flowCatching) {
		return false, err
	}
	l := layout{core: c, subject: Subject{flow.SubjectKind, flow.SubjectID}, now: c.clock.Now()}
	var b batchRow
	if err := tx.Where("id = ?", row.BatchID).Take(&b).Error; err != nil || b.Pending == 0 {
		return false, err // over: this run of the job is one too many
	}
	if err := l.addMembers(members, flow.ID, row.BatchID, b.Branch, b.Stage, b.Total, true); err != nil {
		return false, err
	}
	_, err = tx.Change("UPDATE job_batches SET total = total + ?, pending = pending + ? WHERE id = ?", len(members), len(members), b.ID)
	if err != nil {
		return false, err
	}
	if len(l.flows) > 0 {
		if _, err := tx.Change("UPDATE flows SET nests = ? WHERE id = ?", true, flow.ID); err != nil {
			return false, err
		}
	}
	return true, l.write(tx)
}
