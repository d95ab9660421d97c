package jobstest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/jobs"
)

// Source tells what was started: a *Recorder, or a *Harness by its database.
type Source interface {
	started(testing.TB) []startedFlow
	dispatched(testing.TB) []singleJob
}

type startedFlow struct {
	subject uuid.UUID
	text    string
}

// singleJob is a job outside of any flow.
type singleJob struct {
	kind, queue string
	args        string // JSON
	delay       time.Duration
}

func single(j jobs.Job) singleJob {
	return singleJob{j.Kind(), j.Queue(), string(j.Args()), j.Delay()}
}

func (j singleJob) String() string {
	s := fmt.Sprintf("%s %s in queue %s", j.kind, j.args, j.queue)
	if j.delay > 0 {
		s += " after " + j.delay.String()
	}
	return s
}

// fits reports whether j is the job that is wanted. A job that is wanted without
// a delay may have any.
func (j singleJob) fits(want singleJob) bool {
	if j.kind != want.kind || j.queue != want.queue || (want.delay > 0 && j.delay != want.delay) {
		return false
	}
	var a, b any
	return json.Unmarshal([]byte(j.args), &a) == nil && json.Unmarshal([]byte(want.args), &b) == nil && reflect.DeepEqual(a, b)
}

// AssertStarted fails the test unless a flow that reads so was started:
// "match:find_trip → pay:hold". A job of its own is no flow.
func AssertStarted(t testing.TB, s Source, text string) {
	t.Helper()
	if len(flowsReading(t, s, text)) == 0 {
		t.Errorf("no flow %q was started, but\n%s", text, list(t, s))
	}
}

// AssertStartedCount fails the test unless n flows that read so were started.
func AssertStartedCount(t testing.TB, s Source, text string, n int) {
	t.Helper()
	if got := len(flowsReading(t, s, text)); got != n {
		t.Errorf("%d flows %q were started, want %d:\n%s", got, text, n, list(t, s))
	}
}

// AssertStartedFor fails the test unless a flow that reads so was started for the subject.
func AssertStartedFor(t testing.TB, s Source, subject uuid.UUID, text string) {
	t.Helper()
	for _, f := range flowsReading(t, s, text) {
		if f.subject == subject {
			return
		}
	}
	t.Errorf("no flow %q was started for %s, but\n%s", text, subject, list(t, s))
}

// AssertDispatched fails the test unless a single job was dispatched that is of
// the wanted one's kind, has its arguments and its queue and, where it is put
// off, its delay.
func AssertDispatched(t testing.TB, s Source, want jobs.Job) {
	t.Helper()
	if countJobs(t, s, want) == 0 {
		t.Errorf("no job %s was dispatched, but\n%s", single(want), list(t, s))
	}
}

// AssertDispatchedCount is AssertDispatched for exactly n jobs.
func AssertDispatchedCount(t testing.TB, s Source, want jobs.Job, n int) {
	t.Helper()
	if got := countJobs(t, s, want); got != n {
		t.Errorf("%d jobs %s were dispatched, want %d:\n%s", got, single(want), n, list(t, s))
	}
}

// AssertKindCount fails the test unless n single jobs of the kind were
// dispatched, whatever their arguments.
func AssertKindCount(t testing.TB, s Source, kind string, n int) {
	t.Helper()
	got := 0
	for _, j := range s.dispatched(t) {
		if j.kind == kind {
			got++
		}
	}
	if got != n {
		t.Errorf("%d jobs %s were dispatched, want %d:\n%s", got, kind, n, list(t, s))
	}
}

// AssertNothingStarted fails the test when a flow or a job was started.
func AssertNothingStarted(t testing.TB, s Source) {
	t.Helper()
	if len(s.started(t))+len(s.dispatched(t)) > 0 {
		t.Errorf("nothing should be started, but\n%s", list(t, s))
	}
}

func flowsReading(t testing.TB, s Source, text string) (found []startedFlow) {
	t.Helper()
	for _, f := range s.started(t) {
		if f.text == text {
			found = append(found, f)
		}
	}
	return found
}

func countJobs(t testing.TB, s Source, want jobs.Job) (n int) {
	t.Helper()
	for _, j := range s.dispatched(t) {
		if j.fits(single(want)) {
			n++
		}
	}
	return n
}

// list says what was started, a line each.
func list(t testing.TB, s Source) string {
	t.Helper()
	var lines []string
	for _, f := range s.started(t) {
		lines = append(lines, fmt.Sprintf("  flow %s of %s", f.text, f.subject))
	}
	for _, j := range s.dispatched(t) {
		lines = append(lines, "  job "+j.String())
	}
	if len(lines) == 0 {
		return "  nothing was"
	}
	return strings.Join(lines, "\n")
}

func (h *Harness) started(t testing.TB) (all []startedFlow) {
	t.Helper()
	var rows []struct {
		SubjectID uuid.UUID
		Sentence  string
	}
	err := h.DB.Read(t.Context()).Raw("SELECT subject_id, sentence FROM flows WHERE batch_id IS NULL ORDER BY id").Scan(&rows).Error
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		all = append(all, startedFlow{r.SubjectID, r.Sentence})
	}
	return all
}

func (h *Harness) dispatched(t testing.TB) (all []singleJob) {
	t.Helper()
	var rows []struct {
		Kind, Queue, Args string
		Sealed            bool
		DelayMs           int64
	}
	err := h.DB.Read(t.Context()).Raw("SELECT kind, queue, args, sealed, delay_ms FROM jobs WHERE flow_id IS NULL ORDER BY id").Scan(&rows).Error
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if r.Sealed {
			opened, err := Box(t).Open(r.Args)
			if err != nil {
				t.Fatal(err)
			}
			r.Args = string(opened)
		}
		all = append(all, singleJob{r.Kind, r.Queue, r.Args, time.Duration(r.DelayMs) * time.Millisecond})
	}
	return all
}
