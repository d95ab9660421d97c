package jobs

import (
	"cmp"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
)

// How flows move on when their jobs end.
//
// Every function here runs in the transaction that ends the jobs. It locks the
// jobs that end, what their effect touches, their batches and their flows, each
// in the order of their ids; stopping a flow locks the flow and then its jobs.
// Where the two meet, the database may call it a deadlock, and db.Tx runs the
// loser again.

// stageRef names a stage of a flow.
type stageRef struct {
	flow   uuid.UUID
	branch string
	stage  int
}

// memberEnd is how a member of a stage ended: a job, or a nested flow.
type memberEnd struct {
	stageRef // the stage it is in; of a batch's member, the batch says
	batch    uuid.NullUUID
	state    string // done, failed or skipped
	cause    string // of a failure
}

// moveOn counts the members that have ended, stops the flows that have failed
// with them, and begins the next stage where one was the last of its stage.
func (c *core) moveOn(tx *db.Tx, ends []memberEnd) error {
	var over []stageRef
	failed := map[stageRef]string{} // the cause
	for _, e := range ends {
		if e.batch.Valid {
			continue
		}
		over = append(over, e.stageRef)
		if e.state == jobFailed {
			failed[e.stageRef] = e.cause
		}
	}
	for _, t := range tallies(ends) {
		b, err := c.count(tx, t)
		if err != nil {
			return err
		}
		ref := stageRef{b.FlowID, b.Branch, b.Stage}
		if b.Pending == 0 {
			over = append(over, ref)
		}
		switch {
		case b.AllowFailures:
		case t.failed > 0:
			failed[ref] = t.causes[0]
		case b.Pending == 0 && b.Failed+b.Skipped > 0: // a retry could not mend the others
			failed[ref] = causeFailed
		}
	}
	for _, ref := range inIDOrder(failed) {
		if err := c.stageFailed(tx, ref, failed[ref]); err != nil {
			return err
		}
	}
	if len(over) == 0 {
		return nil
	}
	return c.advance(tx, over)
}

// stageFailed stops the flow of a stage of which a member has failed. A catch
// chain is not undone: what is left of it is skipped.
func (c *core) stageFailed(tx *db.Tx, ref stageRef, cause string) error {
	if ref.branch == branchCatch {
		return c.skipWaiting(tx, ref.flow, branchCatch)
	}
	_, err := c.stop(tx, ref.flow, flowFailed, cause)
	return err
}

// step is what becomes of a flow when a stage of it is over.
type step struct {
	flow  flowRow
	next  stageRef
	state string // of the flow in that stage
	ends  string // its state when there is no such stage
}

// advance goes on from stages that are over, to the next one or to the end of
// the flow; of a flow that was stopped, to its catch chain.
func (c *core) advance(tx *db.Tx, over []stageRef) error {
	steps, err := c.steps(tx, over)
	if err != nil || len(steps) == 0 {
		return err
	}
	begins, err := c.beginnings(tx, steps)
	if err != nil {
		return err
	}
	ends, err := c.record(tx, steps, begins)
	if err != nil {
		return err
	}
	if err := c.begin(tx, begins); err != nil {
		return err
	}
	if len(ends) == 0 {
		return nil
	}
	return c.moveOn(tx, ends)
}

// record writes down where the flows stand now, those that come to the same in
// one statement, and returns the ends of nested ones.
func (c *core) record(tx *db.Tx, steps []step, b *beginnings) (ends []memberEnd, err error) {
	goOn, end := map[stageRef][]uuid.UUID{}, map[string][]uuid.UUID{}
	state := map[stageRef]string{}
	for _, s := range steps {
		to := stageRef{branch: s.next.branch, stage: s.next.stage}
		if b.any[s.next] {
			goOn[to], state[to] = append(goOn[to], s.flow.ID), s.state
			continue
		}
		end[s.ends] = append(end[s.ends], s.flow.ID)
		if s.flow.BatchID.Valid && s.flow.FinishedAt == nil {
			ends = append(ends, s.memberEnd())
		}
	}
	for to, ids := range goOn {
		if _, err := tx.Change("UPDATE flows SET state = ?, branch = ?, stage = ? WHERE id IN ?", state[to], to.branch, to.stage, ids); err != nil {
			return nil, err
		}
	}
	for state, ids := range end {
		if _, err := tx.Change("UPDATE flows SET state = ?, finished_at = ? WHERE id IN ?", state, c.clock.Now(), ids); err != nil {
			return nil, err
		}
	}
	return ends, nil
}

// memberEnd is what the end of a nested flow means to the batch that it is in.
func (s step) memberEnd() memberEnd {
	e := memberEnd{batch: s.flow.BatchID, state: jobDone}
	switch s.ends {
	case flowFailed:
		e.state, e.cause = jobFailed, s.flow.Cause
	case flowCancelled:
		e.state = jobSkipped
	}
	return e
}

// steps locks the flows of stages that are over and says what comes next in
// each. A stage that its flow has left long ago has no step: one of its failed
// jobs was taken up again.
func (c *core) steps(tx *db.Tx, over []stageRef) ([]step, error) {
	ids := make([]uuid.UUID, len(over))
	for i, ref := range over {
		ids[i] = ref.flow
	}
	var flows []flowRow
	err := tx.Clauses(db.ForUpdate).Select("id, batch_id, nests, state, branch, stage, verdict, cause, finished_at").
		Where("id IN ?", ids).Order("id").Find(&flows).Error
	if err != nil {
		return nil, err
	}
	var steps []step
	for _, f := range flows {
		var current bool
		if f.Stage, current = f.reached(over); !current {
			continue
		}
		switch f.State {
		case flowRunning:
			steps = append(steps, step{f, stageRef{f.ID, branchMain, f.Stage + 1}, flowRunning, flowDone})
		case flowStopping:
			steps = append(steps, step{f, stageRef{f.ID, branchCatch, 0}, flowCatching, f.Verdict})
		case flowCatching:
			steps = append(steps, step{f, stageRef{f.ID, branchCatch, f.Stage + 1}, flowCatching, f.Verdict})
		}
	}
	return steps, nil
}

// reached returns which of the stages that are over the flow had reached. That is
// not before the stage its row says, and later where plain jobs followed each other.
func (f *flowRow) reached(over []stageRef) (stage int, ok bool) {
	for _, ref := range over {
		if ref.flow == f.ID && ref.branch == f.Branch && ref.stage >= f.Stage {
			return ref.stage, true
		}
	}
	return 0, false
}

// inIDOrder returns the stages by the ids of their flows.
func inIDOrder[V any](m map[stageRef]V) []stageRef {
	refs := make([]stageRef, 0, len(m))
	for ref := range m {
		refs = append(refs, ref)
	}
	slices.SortFunc(refs, func(a, b stageRef) int {
		return cmp.Or(strings.Compare(a.flow.String(), b.flow.String()), strings.Compare(a.branch, b.branch), cmp.Compare(a.stage, b.stage))
	})
	return refs
}
