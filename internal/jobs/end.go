package jobs

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/fault"
)

// ending is how one job ends. One without an effect can be written in a group, and
// one whose effect is expected to succeed: one that fails takes the others with it.
type ending struct {
	row      *jobRow
	state    string // done, failed or skipped
	note     string
	attempts int                   // that have failed, when it failed
	cause    error                 // why it failed
	effect   func(tx *db.Tx) error // recorded with it; a failure has one, others may
	shares   bool                  // the effect may be recorded with others
	answer   chan error
}

// groupTimeout bounds the transaction of a group, which may meet a row that
// somebody holds.
const groupTimeout = 3 * time.Second

// groupMost bounds the jobs that end in one transaction.
const groupMost = 200

// conclude records the ending and moves the job's flow on, in one transaction:
// its own when it has an effect that does not share, else one that it shares with
// the endings that come at the same time. It returns ErrSuperseded when the job had
// ended, or was started anew, before.
func (c *core) conclude(ctx context.Context, e *ending) error {
	if e.effect != nil && !e.shares {
		return c.end(ctx, e)
	}
	e.answer = make(chan error, 1)
	if !c.endings.add(e) {
		return errClosed
	}
	return <-e.answer // soon: a group is bounded in time, and so is each of it by itself
}

var errClosed = errors.New("jobs: the queue is closed")

// endTogether records a group of endings. When the group fails as a whole,
// each is tried by itself, so that one cannot keep the others from being recorded.
func (c *core) endTogether(group []*ending) {
	// A job delivered twice at the same time may end twice in one group.
	type run struct {
		id         uuid.UUID
		generation int
	}
	seen := make(map[run]bool, len(group))
	once := make([]*ending, 0, len(group))
	for _, e := range group {
		if r := (run{e.row.ID, e.row.Generation}); !seen[r] {
			seen[r] = true
			once = append(once, e)
			continue
		}
		e.answer <- ErrSuperseded
	}
	slices.SortFunc(once, func(a, b *ending) int { return bytes.Compare(a.row.ID[:], b.row.ID[:]) })
	err := errContested
	if len(once) > 1 {
		ctx, cancel := context.WithTimeout(context.Background(), groupTimeout)
		defer cancel()
		err = c.db.Tx(ctx, func(tx *db.Tx) error { return c.endAll(tx, once) })
	}
	var wg sync.WaitGroup
	for _, e := range once {
		if err == nil {
			e.answer <- nil
			continue
		}
		wg.Go(func() { // side by side: one may wait for a lock
			ctx, cancel := context.WithTimeout(context.Background(), recordTimeout)
			defer cancel()
			e.answer <- c.end(ctx, e)
		})
	}
	wg.Wait()
}

// end records one ending, or returns ErrSuperseded.
func (c *core) end(ctx context.Context, e *ending) error {
	record := func(tx *db.Tx) error { return c.endAll(tx, []*ending{e}) }
	err := c.db.Tx(ctx, record)
	if !errors.Is(err, errContested) {
		return err
	}
	e.row.next = following{} // it is not as it was read
	return c.db.Tx(ctx, record)
}

// endAll records endings and moves their flows on.
func (c *core) endAll(tx *db.Tx, es []*ending) (err error) {
	plain, es := split(es, (*ending).plain)
	if len(plain) > 0 {
		err = c.relay(tx, plain)
	}
	if err == nil && len(es) == 1 {
		err = c.endOne(tx, es[0])
	} else if err == nil {
		err = c.endGroup(tx, es)
	}
	if err != nil {
		return err
	}
	var known []*ending
	var ends []memberEnd
	for _, e := range es {
		if e.effect != nil {
			if err := caught(func() error { return e.effect(tx) }); err != nil {
				return err
			}
		}
		switch {
		case !e.row.FlowID.Valid || e.row.Branch == branchCallback:
		case e.known():
			known = append(known, e)
		default:
			ends = append(ends, e.memberEnd())
		}
	}
	if len(known) > 0 {
		if err := c.goOn(tx, known); err != nil {
			return err
		}
	}
	if len(ends) == 0 {
		return nil
	}
	return c.moveOn(tx, ends)
}

// split returns the endings of which is holds, and the others.
func split(es []*ending, is func(*ending) bool) (these, others []*ending) {
	for _, e := range es {
		if is(e) {
			these = append(these, e)
		} else {
			others = append(others, e)
		}
	}
	return these, others
}

func (e *ending) memberEnd() memberEnd {
	end := memberEnd{
		stageRef: stageRef{e.row.FlowID.UUID, e.row.Branch, e.row.Stage}, batch: e.row.BatchID, state: e.state,
	}
	if e.state == jobFailed {
		end.cause = causeOf(e.cause)
	}
	return end
}

// endOne is the conditional update that lets exactly one run end a job.
func (c *core) endOne(tx *db.Tx, e *ending) error {
	how, args := "state = ?, note = ?", []any{e.state, e.note}
	if e.state == jobFailed {
		how, args = how+", attempts = ?, last_error = ?", append(args, e.attempts, clip(e.cause.Error()))
	}
	n, err := tx.Change("UPDATE jobs SET "+how+", due_at = NULL, unique_key = NULL, finished_at = ? WHERE id = ? AND generation = ? AND state = 'ready'",
		append(args, c.clock.Now(), e.row.ID, e.row.Generation)...)
	if err == nil && n == 0 {
		err = ErrSuperseded
	}
	return err
}

// how is what the endings of a group have in common that one statement writes.
type how struct {
	state, note string
	generation  int
}

// endGroup is endOne for several endings, those that end alike in one
// statement. It returns errContested when not all of them may end.
func (c *core) endGroup(tx *db.Tx, es []*ending) error {
	alike := map[how][]uuid.UUID{}
	for _, e := range es {
		h := how{e.state, e.note, e.row.Generation}
		alike[h] = append(alike[h], e.row.ID)
	}
	for h, ids := range alike {
		err := changeEach(tx, len(ids), `UPDATE jobs SET state = ?, note = ?, due_at = NULL, unique_key = NULL, finished_at = ?
			WHERE id IN ? AND generation = ? AND state = 'ready'`, h.state, h.note, c.clock.Now(), ids, h.generation)
		if err != nil {
			return err
		}
	}
	return nil
}

// errContested says that a group holds an ending that came too late, or that what
// comes after a job is not what was read with it: which one, only each by itself
// can tell.
var errContested = errors.New("jobs: not as it was read")

// causeFailed is the cause of a failure whose error says no code.
const causeFailed = "failed"

// causeOf returns the stable code a flow keeps of why it failed.
func causeOf(err error) string {
	if code := fault.CodeOf(err); code != "internal" {
		return code
	}
	return causeFailed
}

// What is kept of an error's text, of a note and of a job's tags, in bytes.
const (
	maxError = 2000
	maxNote  = 255
	maxTags  = 255
)

// clip makes an error's text short enough to be stored.
func clip(s string) string { return clipTo(s, maxError) }

// clipTo makes s short enough, and valid UTF-8, or MySQL would refuse the row
// and the attempt could never be recorded.
func clipTo(s string, most int) string { return strings.ToValidUTF8(s[:min(len(s), most)], "") }
