package jobs

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
)

// layout is a flow as rows: itself, the flows nested in it, their batches and jobs.
type layout struct {
	core    *core
	subject Subject
	now     time.Time
	flows   []flowRow
	batches []batchRow
	jobs    []jobRow
}

// addFlow lays out a flow and returns its id. Only a flow that begins has a
// first stage that is ready.
func (l *layout) addFlow(f Flow, batch uuid.NullUUID, begins bool) (uuid.UUID, error) {
	if err := f.Check(); err != nil {
		return uuid.Nil, err
	}
	row := flowRow{
		ID: uuid.Must(uuid.NewV7()), BatchID: batch, Nests: f.nests(),
		SubjectKind: l.subject.Kind, SubjectID: l.subject.ID, Sentence: clip(f.String()),
		State: flowWaiting, Branch: branchMain, CreatedAt: l.now,
	}
	if begins {
		row.State = flowRunning
	}
	l.flows = append(l.flows, row)
	for n, stage := range f.main {
		if err := l.addStage(row.ID, branchMain, n, stage, begins && n == 0); err != nil {
			return uuid.Nil, fmt.Errorf("jobs: stage %d of %q: %w", n+1, f, err)
		}
	}
	for n, stage := range f.catch {
		if err := l.addStage(row.ID, branchCatch, n, stage, false); err != nil {
			return uuid.Nil, fmt.Errorf("jobs: catch stage %d of %q: %w", n+1, f, err)
		}
	}
	return row.ID, nil
}

func (l *layout) addStage(flow uuid.UUID, branch string, n int, stage Stage, begins bool) error {
	if j, ok := stage.(Job); ok {
		l.addJob(j, flow, uuid.NullUUID{}, branch, n, 0, begins)
		return nil
	}
	b := stage.(BatchOfJobs)
	templates, err := l.core.templates(b.callbacks)
	if err != nil {
		return err
	}
	id := uuid.NullUUID{UUID: uuid.Must(uuid.NewV7()), Valid: true}
	l.batches = append(l.batches, batchRow{
		ID: id.UUID, FlowID: flow, Branch: branch, Stage: n, Total: len(b.members), Pending: len(b.members),
		AllowFailures: b.allowFailures, Callbacks: templates, CreatedAt: l.now,
	})
	return l.addMembers(b.members, flow, id, branch, n, 0, begins)
}

// addMembers lays out the members of a batch, numbered from first.
func (l *layout) addMembers(members []Member, flow uuid.UUID, batch uuid.NullUUID, branch string, n, first int, begins bool) error {
	for i, m := range members {
		switch m := m.(type) {
		case Job:
			l.addJob(m, flow, batch, branch, n, first+i, begins)
		case Flow:
			if _, err := l.addFlow(m, batch, begins); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *layout) addJob(j Job, flow uuid.UUID, batch uuid.NullUUID, branch string, stage, position int, begins bool) {
	row := l.core.newRow(j, l.now)
	row.FlowID = uuid.NullUUID{UUID: flow, Valid: true}
	row.BatchID, row.Branch, row.Stage, row.Position = batch, branch, stage, position
	if begins {
		row.begin(l.now)
	}
	l.jobs = append(l.jobs, row)
}

// nests reports whether a batch of the flow holds flows.
func (f Flow) nests() bool {
	return slices.ContainsFunc(slices.Concat(f.main, f.catch), func(s Stage) bool {
		b, ok := s.(BatchOfJobs)
		return ok && slices.ContainsFunc(b.members, func(m Member) bool {
			_, isFlow := m.(Flow)
			return isFlow
		})
	})
}

// write inserts the rows, each table's in as few statements as may be.
func (l *layout) write(tx *db.Tx) error {
	l.link()
	for chunk := range slices.Chunk(l.flows, insertChunk) {
		if err := insertFlows(tx, chunk); err != nil {
			return err
		}
	}
	if len(l.batches) > 0 {
		if err := tx.CreateInBatches(&l.batches, insertChunk).Error; err != nil {
			return err
		}
	}
	return l.core.insert(tx, l.jobs)
}
