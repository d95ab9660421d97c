package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/httpapi"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
)

type word struct {
	Word string `json:"word"`
}

// testKind is a kind of the test's own.
func testKind(name string, sealed bool) jobs.Kind[word] {
	return jobs.Kind[word]{
		Name: name, Queue: "low", Tries: 3, Backoff: jobs.Fixed(time.Hour), Timeout: time.Minute, Sealed: sealed,
		Tags: func(a word) []string { return []string{"word:" + a.Word} },
	}
}

var (
	openKind   = testKind("test:open", false)
	sealedKind = testKind("test:sealed", true)
)

// errLeak is why the test's jobs fail.
var errLeak = fmt.Errorf("it leaks: %w", errors.New("a hole"))

// dispatch writes what fn starts beside the program, and runs what is due, each
// job ending with the given error, where drain is wanted.
func dispatch(t *testing.T, at []string, drain bool, end error, fn func(tx *db.Tx, c *jobs.Client) error) (ran int) {
	t.Helper()
	err := beside(t, at, func(a *app) (err error) {
		if err := a.db.Tx(t.Context(), func(tx *db.Tx) error { return fn(tx, a.system.Client()) }); err != nil || !drain {
			return err
		}
		r := jobs.NewRegistry()
		run := func(context.Context, *jobs.Attempt, word) error { return end }
		jobs.Handle(r, openKind, run)
		jobs.Handle(r, sealedKind, run)
		ran, err = a.system.Worker(r, jobstest.Config("low", "sms")).Drain(t.Context())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return ran
}

// drain runs what is due and returns how many attempts that took.
func drain(t *testing.T, at []string) int {
	t.Helper()
	return dispatch(t, at, true, nil, func(*db.Tx, *jobs.Client) error { return nil })
}

// migrated returns the flags of a database of the test's own that is up to date.
func migrated(t *testing.T) (at []string) {
	t.Helper()
	at = where(t)
	if code, _, errs := command(t, append([]string{"migrate"}, at...)...); code != exitOK {
		t.Fatal(errs)
	}
	return at
}

// failures has two plain jobs and a sealed one fail.
func failures(t *testing.T) (at []string) {
	t.Helper()
	at = migrated(t)
	dispatch(t, at, true, jobs.Fail(errLeak), func(tx *db.Tx, c *jobs.Client) error {
		if _, err := c.Start(tx, jobs.Subject{Kind: "test", ID: uuid.New()}, jobs.Chain(openKind.New(word{"beta"}))); err != nil {
			return err
		}
		return c.Dispatch(tx, openKind.New(word{"alpha"}), sealedKind.New(word{"secret"}).On("sms"))
	})
	return at
}

// queue runs a command of 'queue', which must succeed, and returns what it printed.
func queue(t *testing.T, at []string, args ...string) string {
	t.Helper()
	code, out, errs := command(t, slices.Concat([]string{"queue"}, args, at)...)
	if code != exitOK || errs != "" {
		t.Fatalf("queue %v: exit %d, printed %q and %q", args, code, out, errs)
	}
	return out
}

// refused runs a command of 'queue' that must end with a code and one line that says why.
func refused(t *testing.T, at []string, code int, says string, args ...string) {
	t.Helper()
	got, out, errs := command(t, slices.Concat([]string{"queue"}, args, at)...)
	if got != code || !strings.Contains(errs, says) || strings.Count(errs, "\n") != 1 || code == exitUsage && out != "" {
		t.Errorf("queue %v: exit %d, printed %q and %q; want exit %d and one line with %q", args, got, out, errs, code, says)
	}
}

// rows reads the JSON that a listing printed.
func rows[T any](t *testing.T, text string) (all []T) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &all); err != nil || all == nil {
		t.Fatalf("%v: %s", err, text)
	}
	return all
}

func failedJobs(t *testing.T, at []string, flags ...string) []httpapi.FailedJob {
	t.Helper()
	return rows[httpapi.FailedJob](t, queue(t, at, append([]string{"failed", "--json"}, flags...)...))
}

func TestFailedJobsAreListedAndShown(t *testing.T) {
	at := failures(t)
	lines := strings.Split(strings.TrimSpace(queue(t, at, "failed")), "\n")
	if len(lines) != 4 || strings.Join(strings.Fields(lines[0]), " ") != "ID KIND QUEUE FAILED TIMES ATTEMPTS TAGS ERROR" {
		t.Fatalf("listed\n%s", strings.Join(lines, "\n"))
	}
	if got := strings.Fields(lines[1]); !slices.Equal(slices.Concat(got[1:3], got[4:]),
		[]string{"test:sealed", "sms", "1", "1", "word:secret", "it", "leaks:", "a", "hole"}) {
		t.Errorf("listed %q", got)
	}
	for _, c := range []struct {
		flags []string
		want  int
	}{
		{nil, 3}, {[]string{"--queue", "low"}, 2}, {[]string{"--kind", "test:sealed"}, 1}, {[]string{"--tag", "word:alpha"}, 1},
		{[]string{"--limit", "2"}, 2}, {[]string{"--queue", "pay"}, 0},
	} {
		if got := failedJobs(t, at, c.flags...); len(got) != c.want {
			t.Errorf("%v: %d jobs, want %d", c.flags, len(got), c.want)
		}
	}

	open, sealed := failedJobs(t, at, "--tag", "word:beta")[0], failedJobs(t, at, "--queue", "sms")[0]
	shown := queue(t, at, "show", open.ID.String())
	for _, want := range []string{open.ID.String(), open.FlowID.String(), `{"word":"beta"}`, "it leaks: a hole", "*errors.errorString: a hole"} {
		if !strings.Contains(shown, want) {
			t.Errorf("not shown: %q in\n%s", want, shown)
		}
	}
	if shown := queue(t, at, "show", sealed.ID.String()); !strings.Contains(shown, "encrypted") || strings.Contains(shown, `"word"`) {
		t.Errorf("a sealed job is shown as\n%s", shown)
	}
	var one httpapi.FailedJob
	if err := json.Unmarshal([]byte(queue(t, at, "show", "--json", open.ID.String())), &one); err != nil || string(one.Args) == "" || one.Stack == "" {
		t.Errorf("shown %+v, %v", one, err)
	}
}

func TestFailedJobsAreRetriedByCommand(t *testing.T) {
	at := failures(t)
	id := failedJobs(t, at, "--tag", "word:beta")[0].ID.String()
	if got := queue(t, at, "retry", id); got != "retried 1, refused 0\n" {
		t.Errorf("printed %q", got)
	}
	if n := drain(t, at); n != 1 || len(failedJobs(t, at)) != 2 {
		t.Errorf("%d ran again", n)
	}
	refused(t, at, exitFailed, "job "+id+" is not among the failed ones", "retry", id)
	other := failedJobs(t, at, "--tag", "word:alpha")[0].ID.String()
	refused(t, at, exitFailed, id, "retry", other, id, other) // the other one is taken up
	if n := drain(t, at); n != 1 {
		t.Errorf("%d ran again", n)
	}
	if got := queue(t, at, "retry", "all", "--queue", "low"); got != "retried 0, refused 0\n" {
		t.Errorf("of another queue: %q", got)
	}
	if got := queue(t, at, "retry", "--kind", "test:sealed"); got != "retried 1, refused 0\n" {
		t.Errorf("of the kind: %q", got)
	}
	if n := drain(t, at); n != 1 || len(failedJobs(t, at)) != 0 {
		t.Errorf("%d ran again", n)
	}
}

func TestFailedJobsAreForgottenByCommand(t *testing.T) {
	at := failures(t)
	id := failedJobs(t, at, "--queue", "sms")[0].ID.String()
	if got := queue(t, at, "forget", id); got != "forgot 1\n" {
		t.Errorf("printed %q", got)
	}
	refused(t, at, exitFailed, "1 of 1 ids", "forget", id)
	refused(t, at, exitFailed, id, "show", id)
	for _, args := range [][]string{{"flush", "--hours", "1"}, {"prune-failed"}, {"prune-failed", "--hours", "1"}} {
		if got := queue(t, at, args...); got != "forgot 0\n" {
			t.Errorf("%v: %q", args, got)
		}
	}
	if got := queue(t, at, "flush"); got != "forgot 2\n" || len(failedJobs(t, at)) != 0 {
		t.Errorf("printed %q", got)
	}
}

func TestFlowsAndBatchesByCommand(t *testing.T) {
	at := migrated(t)
	subject, job := uuid.New(), openKind.New(word{"x"})
	dispatch(t, at, true, nil, func(tx *db.Tx, c *jobs.Client) error {
		_, err := c.StartAll(tx,
			jobs.Beginning{Subject: jobs.Subject{Kind: "order", ID: subject}, Flow: jobs.Chain(jobs.Batch(job, job, job.In(time.Hour))).Catch(job)},
			jobs.Beginning{Subject: jobs.Subject{Kind: "order", ID: uuid.New()}, Flow: jobs.Chain(jobs.Batch(job))})
		return err
	})
	flows := func(flags ...string) []httpapi.QueueFlow {
		return rows[httpapi.QueueFlow](t, queue(t, at, append([]string{"flows", "--json"}, flags...)...))
	}
	if all, running, limited := flows(), flows("--state", "running"), flows("--limit", "1"); len(all) != 2 || len(running) != 1 || len(limited) != 1 {
		t.Errorf("%d flows, %d running, %d within a limit of one", len(all), len(running), len(limited))
	}
	flow := flows("--subject", subject.String())[0]
	line := strings.Fields(strings.Split(queue(t, at, "flows", "--state", "running"), "\n")[1])
	if line[0] != flow.ID.String() || line[3] != "order:"+subject.String() || !strings.HasPrefix(strings.Join(line[6:], " "), "(test:open | test:open | test:open)") {
		t.Errorf("listed %q", line)
	}
	batches := rows[httpapi.QueueBatch](t, queue(t, at, "batches", "--json"))
	if i := slices.IndexFunc(batches, func(b httpapi.QueueBatch) bool { return b.FlowID == flow.ID }); len(batches) != 2 || batches[i].Done != 2 || batches[i].Pending != 1 {
		t.Errorf("batches %+v", batches)
	}
	if table := queue(t, at, "batches", "--limit", "1"); strings.Count(table, "\n") != 2 || !strings.HasPrefix(table, "ID ") {
		t.Errorf("listed %q", table)
	}

	if got := queue(t, at, "prune-batches", "--hours", "0"); got != "deleted 1 flows with their batches\n" {
		t.Errorf("printed %q", got)
	}
	if got := queue(t, at, "prune-batches", "--unfinished", "1"); got != "deleted 0 flows with their batches\n" {
		t.Errorf("printed %q", got)
	}
	refused(t, at, exitFailed, "there is no flow", "cancel", uuid.NewString())
	if got := queue(t, at, "cancel", flow.ID.String()); got != "flow "+flow.ID.String()+" stops\n" {
		t.Errorf("printed %q", got)
	}
	drain(t, at)
	refused(t, at, exitFailed, "is cancelled: there is nothing to cancel", "cancel", flow.ID.String())
	if got := queue(t, at, "prune-batches", "--hours", "0"); got != "deleted 1 flows with their batches\n" || len(flows()) != 0 {
		t.Errorf("printed %q", got)
	}
}

func TestBadQueueCommandsAreRefused(t *testing.T) {
	at := []string{"--data", t.TempDir()}
	for _, c := range []struct{ args, says string }{
		{"flee", `"flee"`},
		{"failed now", `"now"`},
		{"failed --queue fast", `"fast"`},
		{"failed --limit 0", "--limit"},
		{"failed --hours 1", "--hours"},
		{"show", "id"},
		{"show x", `"x"`},
		{"show " + uuid.NewString() + " y", `"y"`},
		{"retry", "all"},
		{"retry x", `"x"`},
		{"retry all y", `"all"`},
		{"retry all --queue fast", `"fast"`},
		{"retry --queue fast", `"fast"`},
		{"retry " + uuid.NewString() + " --kind pay:hold", "narrow"},
		{"forget", "ids"},
		{"forget x", `"x"`},
		{"flush --hours -1", "--hours"},
		{"flush --hours 87601", "--hours"},
		{"flush --hours many", "--hours"},
		{"prune-failed --hours -1", "--hours"},
		{"prune-batches --unfinished -1", "--unfinished"},
		{"batches --limit -1", "--limit"},
		{"flows --state lost", "--state"},
		{"flows --subject me", "--subject"},
		{"cancel", "id"},
		{"cancel x", `"x"`},
		{"pause", "one queue"},
		{"pause fast", `"fast"`},
		{"pause sms low", "one queue"},
		{"continue fast", `"fast"`},
		{"restart now", `"now"`},
		{"monitor", "GET /v1/queue/queues"},
		{"monitor --max -1 --redis 127.0.0.1:1", "--max"},
		{"monitor all --redis 127.0.0.1:1", `"all"`},
	} {
		refused(t, at, exitUsage, c.says, strings.Fields(c.args)...)
	}
}
