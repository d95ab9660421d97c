package httpapi

import (
	"encoding/json"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/jobs"
)

// What operators see of the queue. The command line prints the same.

// FailedJob is a job that has failed for good.
type FailedJob struct {
	ID       uuid.UUID       `json:"id"`
	FlowID   *uuid.UUID      `json:"flow_id"`
	Kind     string          `json:"kind"`
	Queue    string          `json:"queue"`
	Tags     []string        `json:"tags"`
	Error    string          `json:"error"`
	Attempts int             `json:"attempts"`
	Times    int             `json:"times"`
	FailedAt string          `json:"failed_at"`
	Sealed   bool            `json:"sealed"`
	Args     json.RawMessage `json:"args,omitempty"`
	Stack    string          `json:"stack,omitempty"`
}

// FailedJobOf shows a failed job in a list.
func FailedJobOf(j jobs.FailedJob) FailedJob {
	out := FailedJob{
		ID: j.ID, FlowID: idOrNil(j.Flow), Kind: j.Kind, Queue: j.Queue, Tags: j.Tags, Error: j.Error, Attempts: j.Attempts, Times: j.Times,
		FailedAt: stamp(j.FailedAt), Sealed: j.Sealed,
	}
	if out.Tags == nil {
		out.Tags = []string{}
	}
	return out
}

// FailedJobInFull shows a failed job with its arguments, unless they are sealed,
// and its stack.
func FailedJobInFull(j jobs.FailedJob) FailedJob {
	out := FailedJobOf(j)
	out.Args, out.Stack = j.Args, j.Stack
	return out
}

// QueueFlow is a flow, in lists without its stages.
type QueueFlow struct {
	ID          uuid.UUID    `json:"id"`
	NestedIn    *uuid.UUID   `json:"nested_in,omitempty"`
	SubjectKind string       `json:"subject_kind"`
	SubjectID   uuid.UUID    `json:"subject_id"`
	Text        string       `json:"text"`
	State       string       `json:"state"`
	Cause       string       `json:"cause,omitempty"`
	CreatedAt   string       `json:"created_at"`
	FinishedAt  *string      `json:"finished_at"`
	Stages      []QueueStage `json:"stages,omitempty"`
}

// QueueStage is one stage of a flow: a job, or a batch.
type QueueStage struct {
	Branch string      `json:"branch"`
	State  string      `json:"state"`
	Batch  *QueueBatch `json:"batch,omitempty"`
	Jobs   []QueueJob  `json:"jobs,omitempty"`
	Flows  []QueueFlow `json:"flows,omitempty"`
}

// QueueJob is a job of a stage.
type QueueJob struct {
	ID        uuid.UUID `json:"id"`
	Kind      string    `json:"kind"`
	State     string    `json:"state"`
	Attempts  int       `json:"attempts"`
	LastError string    `json:"last_error,omitempty"`
	Note      string    `json:"note,omitempty"`
	DueAt     *string   `json:"due_at,omitempty"`
}

// QueueFlowOf shows a flow with what stages it was read with.
func QueueFlowOf(v jobs.FlowView) QueueFlow {
	out := QueueFlow{
		ID: v.ID, NestedIn: idOrNil(v.Around), SubjectKind: v.Subject.Kind, SubjectID: v.Subject.ID, Text: v.Text, State: v.State, Cause: v.Cause,
		CreatedAt: stamp(v.CreatedAt), FinishedAt: stampOrNil(v.FinishedAt),
	}
	for _, st := range v.Stages {
		out.Stages = append(out.Stages, queueStageOf(st))
	}
	return out
}

func queueStageOf(v jobs.StageView) QueueStage {
	out := QueueStage{Branch: v.Branch, State: v.State}
	if v.Batch != nil {
		b := QueueBatchOf(*v.Batch)
		out.Batch = &b
	}
	for _, j := range v.Jobs {
		out.Jobs = append(out.Jobs, QueueJob{j.ID, j.Kind, j.State, j.Attempts, j.LastError, j.Note, stampOrNil(j.DueAt)})
	}
	for _, f := range v.Flows {
		out.Flows = append(out.Flows, QueueFlowOf(f))
	}
	return out
}

// QueueBatch is a batch's count of its members.
type QueueBatch struct {
	ID         uuid.UUID `json:"id"`
	FlowID     uuid.UUID `json:"flow_id"`
	Total      int       `json:"total"`
	Pending    int       `json:"pending"`
	Done       int       `json:"done"`
	Failed     int       `json:"failed"`
	Skipped    int       `json:"skipped"`
	Percent    int       `json:"percent"`
	CreatedAt  string    `json:"created_at"`
	FinishedAt *string   `json:"finished_at"`
}

// QueueBatchOf shows a batch.
func QueueBatchOf(b jobs.BatchView) QueueBatch {
	return QueueBatch{
		b.ID, b.FlowID, b.Total, b.Pending, b.Done(), b.Failed, b.Skipped, b.Percent(), stamp(b.CreatedAt), stampOrNil(b.FinishedAt),
	}
}

// QueueState is a queue as it stands in Redis.
type QueueState struct {
	Name        string  `json:"name"`
	Paused      bool    `json:"paused"`
	Pending     int64   `json:"pending"`
	WaitSeconds float64 `json:"wait_seconds"`
	Active      int64   `json:"active"`
	Scheduled   int64   `json:"scheduled"`
	Retry       int64   `json:"retry"`
	Archived    int64   `json:"archived"`
}

// QueueStateOf shows a queue.
func QueueStateOf(v jobs.QueueView) QueueState {
	return QueueState{v.Name, v.Paused, v.Pending, v.Wait.Seconds(), v.Active, v.Scheduled, v.Retry, v.Archived}
}
