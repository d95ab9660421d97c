package jobs

import (
	"context"
	"sync"
	"time"

	"github.com/google/uuid"
)

// aheads are the answers to what was asked before asynq handed a task out.
type aheads struct {
	read   func(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]*jobRow, error)
	byTask sync.Map // *ahead
}

// ahead is a question for the jobs of tasks that were taken together.
type ahead struct {
	at   time.Time
	rows map[uuid.UUID]*jobRow
	done chan struct{}
}

// aheadMost is how old an answer may be: a job that was held up behind others may
// have been cancelled since.
const aheadMost = time.Second

// ask asks for the jobs of tasks.
func (a *aheads) ask(tasks []string) *ahead {
	question := &ahead{at: time.Now(), done: make(chan struct{})}
	ids := make([]uuid.UUID, 0, len(tasks))
	for _, task := range tasks {
		if id, _, err := parsePayload([]byte(task)); err == nil {
			ids = append(ids, id)
		}
	}
	go func() {
		defer close(question.done)
		ctx, cancel := context.WithTimeout(context.Background(), loadTimeout)
		defer cancel()
		question.rows, _ = a.read(ctx, ids) // else each asks for itself
	}()
	return question
}

// written is the answer for jobs that were written at a time: a moment ago, unless
// Redis keeps the courier waiting.
func written(rows map[uuid.UUID]*jobRow, at time.Time) *ahead {
	a := &ahead{at: at, rows: rows, done: make(chan struct{})}
	close(a.done)
	return a
}

// use has the runs of tasks use the answer to a question.
func (a *aheads) use(question *ahead, tasks []string) {
	for _, task := range tasks {
		a.byTask.Store(task, question)
	}
}

// take returns the job of a task, or nil where it was not asked for in time.
func (a *aheads) take(task string, id uuid.UUID) *jobRow {
	if question, ok := a.byTask.LoadAndDelete(task); ok {
		question := question.(*ahead)
		<-question.done
		if row := question.rows[id]; row != nil && time.Since(question.at) < aheadMost {
			return row
		}
	}
	return nil
}
