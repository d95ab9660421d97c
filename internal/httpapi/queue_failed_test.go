package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/account"
	"github.com/spotpool/spotpool/internal/jobs"
)

type testArgs struct {
	Word string `json:"word"`
}

// shaky is a kind that fails at once while broken is set.
func (w *world) shaky(name string, sealed bool, broken *atomic.Bool) jobs.Kind[testArgs] {
	k := jobs.Kind[testArgs]{
		Name: name, Queue: "low", Tries: 3, Backoff: jobs.Fixed(time.Hour), Timeout: time.Minute, Sealed: sealed,
		Tags: func(a testArgs) []string { return []string{"word:" + a.Word} },
	}
	jobs.Handle(w.Registry, k, func(context.Context, *jobs.Attempt, testArgs) error {
		if broken.Load() {
			return jobs.Fail(fmt.Errorf("it leaks: %w", errors.New("a hole")))
		}
		return nil
	})
	return k
}

// failures has a plain job, a sealed one and one in a flow fail.
func (w *world) failures() (operator user, broken *atomic.Bool) {
	w.t.Helper()
	broken = &atomic.Bool{}
	broken.Store(true)
	plain, sealed := w.shaky("test:plain", false, broken), w.shaky("test:sealed", true, broken)
	w.Dispatch(plain.New(testArgs{"alpha"}))
	w.Dispatch(sealed.New(testArgs{"secret"}).On("sms"))
	w.Start(jobs.Chain(plain.New(testArgs{"beta"})))
	w.run()
	operator = w.user(account.Operator)
	w.Await("three jobs have failed", func() bool { return len(w.failed(operator, "")) == 3 })
	return operator, broken
}

// failed returns the failed jobs that the query leaves.
func (w *world) failed(u user, query string) []FailedJob {
	w.t.Helper()
	return into[pageOut[FailedJob]](w.do(u, "GET", "/v1/queue/failed"+query, nil).is(http.StatusOK)).Items
}

func TestFailedJobsAreListedAndShown(t *testing.T) {
	w := newWorld(t)
	operator, _ := w.failures()
	for query, want := range map[string]int{
		"?queue=sms": 1, "?queue=low": 2, "?queue=pay": 0, "?kind=test:plain": 2, "?kind=test:pl": 0,
		"?tag=word:beta": 1, "?tag=word": 0, "?queue=low&tag=word:beta": 1, "?queue=sms&tag=word:beta": 0,
	} {
		if got := w.failed(operator, query); len(got) != want {
			t.Errorf("%s: %d jobs, want %d", query, len(got), want)
		}
	}
	var all []uuid.UUID
	for _, j := range w.failed(operator, "") {
		all = append(all, j.ID)
		if j.Args != nil || j.Stack != "" || j.Error != "it leaks: a hole" || j.Attempts != 1 || j.Times != 1 {
			t.Errorf("listed %+v", j)
		}
	}
	paged := pages(w, operator, "/v1/queue/failed?limit=1", func(j FailedJob) uuid.UUID { return j.ID })
	if len(paged) != 3 || fmt.Sprint(paged[0], paged[1], paged[2]) != fmt.Sprint(all[:1], all[1:2], all[2:]) {
		t.Errorf("pages %v of %v", paged, all)
	}

	one := func(query string) FailedJob {
		id := w.failed(operator, query)[0].ID.String()
		return into[FailedJob](w.do(operator, "GET", "/v1/queue/failed/"+id, nil).is(http.StatusOK))
	}
	if j := one("?tag=word:beta"); string(j.Args) != `{"word":"beta"}` || !strings.Contains(j.Stack, "a hole") || j.FlowID == nil || j.Sealed {
		t.Errorf("shown %+v", j)
	}
	if j := one("?queue=sms"); j.Args != nil || !j.Sealed || j.FlowID != nil {
		t.Errorf("sealed, shown %+v", j)
	}
}

func TestFailedJobsAreTakenUpAgain(t *testing.T) {
	w := newWorld(t)
	operator, broken := w.failures()
	id := w.failed(operator, "?tag=word:beta")[0].ID.String()
	path := "/v1/queue/failed/" + id + "/retry"

	again := w.do(operator, "POST", path, nil, header{"Idempotency-Key": "once"}).is(http.StatusAccepted)
	if got := into[retriedOut](again); got != (retriedOut{Retried: 1}) {
		t.Errorf("retried %+v", got)
	}
	w.Await("it has failed again", func() bool {
		j := w.failed(operator, "?tag=word:beta")
		return len(j) == 1 && j[0].Times == 2 && j[0].Attempts == 1
	})
	replayed := w.do(operator, "POST", path, nil, header{"Idempotency-Key": "once"}).is(http.StatusAccepted)
	if replayed.Header().Get("Idempotency-Replayed") != "true" || len(w.failed(operator, "?tag=word:beta")) != 1 {
		t.Error("the same request took it up twice")
	}

	broken.Store(false)
	w.do(operator, "POST", path, object{}).is(http.StatusAccepted)
	w.Await("it is done", func() bool { return w.Events()["test:plain done"] == 1 })
	w.do(operator, "POST", path, nil).refused(http.StatusNotFound, "failed_job_not_found")

	key := header{"Idempotency-Key": "many"}
	for range 2 {
		got := into[retriedOut](w.do(operator, "POST", "/v1/queue/failed/retry", object{"queue": "sms"}, key).is(http.StatusAccepted))
		if got != (retriedOut{Retried: 1}) {
			t.Errorf("retried %+v of the queue sms", got)
		}
	}
	if got := into[retriedOut](w.do(operator, "POST", "/v1/queue/failed/retry", object{}).is(http.StatusAccepted)); got != (retriedOut{Retried: 1}) {
		t.Errorf("retried %+v of the rest", got)
	}
	w.Await("all are done", func() bool { return w.Events()["test:plain done"] == 2 && w.Events()["test:sealed done"] == 1 })
	if left := w.failed(operator, ""); len(left) != 0 {
		t.Errorf("left %+v", left)
	}
}

// A job whose flow was cancelled meanwhile is not taken up again.
func TestAFlowMayForbidARetry(t *testing.T) {
	w := newWorld(t)
	broken := &atomic.Bool{}
	broken.Store(true)
	k := w.shaky("test:plain", false, broken)
	subject := w.Start(jobs.Chain(jobs.Batch(k.New(testArgs{"x"})).AllowFailures(), k.New(testArgs{"y"}).In(time.Hour)))
	w.run()
	operator := w.user(account.Operator)
	w.Await("one has failed", func() bool { return len(w.failed(operator, "")) == 1 })
	flow := w.Flow(subject).ID.String()
	w.do(operator, "POST", "/v1/queue/flows/"+flow+"/cancel", nil).is(http.StatusAccepted)
	w.AwaitFlow(subject, "cancelled")
	id := w.failed(operator, "")[0].ID.String()
	w.do(operator, "POST", "/v1/queue/failed/"+id+"/retry", nil).refused(http.StatusConflict, "flow_over")
	got := into[retriedOut](w.do(operator, "POST", "/v1/queue/failed/retry", object{}).is(http.StatusAccepted))
	if got != (retriedOut{Refused: 1}) || len(w.failed(operator, "")) != 1 {
		t.Errorf("retried %+v", got)
	}
}

func TestFailedJobsAreForgotten(t *testing.T) {
	w := newWorld(t)
	operator, _ := w.failures()
	path := "/v1/queue/failed/" + w.failed(operator, "?queue=sms")[0].ID.String()
	w.do(operator, "DELETE", path, nil).is(http.StatusNoContent)
	w.do(operator, "DELETE", path, nil).refused(http.StatusNotFound, "failed_job_not_found")
	w.do(operator, "GET", path, nil).refused(http.StatusNotFound, "failed_job_not_found")
	for _, c := range []struct {
		hours string
		want  int
	}{{"1", 0}, {"0", 2}, {"0", 0}} {
		if got := into[deletedOut](w.do(operator, "DELETE", "/v1/queue/failed?hours="+c.hours, nil).is(http.StatusOK)); got.Deleted != c.want {
			t.Errorf("older than %s hours: %d, want %d", c.hours, got.Deleted, c.want)
		}
	}
}
