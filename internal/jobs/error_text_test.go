package jobs_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
)

// TestAnyErrorTextIsRecorded fails jobs with texts that a database may not take
// as they are: longer than what is kept, cut within a character, and no text.
func TestAnyErrorTextIsRecorded(t *testing.T) {
	h := jobstest.New(t)
	kind := jobs.Kind[string]{Name: "text:fail", Queue: "low", Tries: 2, Backoff: jobs.Fixed(time.Millisecond), Timeout: time.Second}
	texts := map[string]string{"long": strings.Repeat("错", 1000), "bytes": "no \xff text", "zero": "a \x00 byte"}
	jobs.Handle(h.Registry, kind, func(_ context.Context, _ *jobs.Attempt, name string) error { return errors.New(texts[name]) })
	h.Work("low")
	for name, want := range map[string]string{"long": strings.Repeat("错", 666), "bytes": "no  text", "zero": "a \x00 byte"} {
		got := h.AwaitFlow(h.Start(jobs.Chain(kind.New(name))), "failed").Stages[0].Jobs[0].LastError
		if got != want {
			t.Errorf("%s: kept %q", name, got)
		}
	}
}
