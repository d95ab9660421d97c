package jobs

import (
	"testing"

	"github.com/hibiken/asynq"
)

// A task that was running when it was asked to run now, and waits again since, is asked
// once more: nobody else would, before its time.
func TestWhatCouldNotBeHurried(t *testing.T) {
	for state, want := range map[asynq.TaskState]struct{ again, waits bool }{
		asynq.TaskStateActive: {again: true}, asynq.TaskStateScheduled: {true, true}, asynq.TaskStateRetry: {true, true},
		asynq.TaskStatePending: {}, asynq.TaskStateArchived: {}, asynq.TaskStateCompleted: {},
	} {
		if again, waits := unhurried(state); again != want.again || waits != want.waits {
			t.Errorf("%s: %t, %t, want %+v", state, again, waits, want)
		}
	}
}
