package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/account"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
)

// allQueues are the queues of a world.
var allQueues = []string{"orders", "match", "pay", "notify", "sms", "low"}

func TestFlowsAndBatchesAreShownCancelledAndPruned(t *testing.T) {
	w := newWorld(t)
	k := w.shaky("test:plain", false, &atomic.Bool{})
	job := k.New(testArgs{"x"})
	nested := jobs.Chain(job, job)
	subject := w.Start(jobs.Chain(job, jobs.Batch(job, nested, job.In(time.Hour)).Progress(job), job).Catch(job))
	quick := w.Start(jobs.Chain(jobs.Batch(job)))
	w.run()
	operator := w.user(account.Operator)
	w.AwaitFlow(quick, "done")
	id := w.Flow(subject).ID.String()
	var f QueueFlow
	w.Await("only the member that was put off is left", func() bool {
		f = into[QueueFlow](w.do(operator, "GET", "/v1/queue/flows/"+id, nil).is(http.StatusOK))
		b := f.Stages[1].Batch
		return b.Pending == 1 && b.Done == 2 && b.Percent == 66
	})
	if f.SubjectID != subject || f.State != "running" || len(f.Stages[1].Jobs) != 2 || len(f.Stages[1].Flows) != 1 ||
		len(f.Stages[1].Flows[0].Stages) != 2 || f.Stages[1].Flows[0].Stages[0].Jobs[0].State != "done" {
		t.Errorf("flow %+v", f)
	}
	inner := into[QueueFlow](w.do(operator, "GET", "/v1/queue/flows/"+f.Stages[1].Flows[0].ID.String(), nil).is(http.StatusOK))
	if inner.NestedIn == nil || *inner.NestedIn != f.ID || f.NestedIn != nil {
		t.Errorf("nested in %v, the flow around it in %v", inner.NestedIn, f.NestedIn)
	}
	flows := func(query string) []QueueFlow {
		t.Helper()
		return into[pageOut[QueueFlow]](w.do(operator, "GET", "/v1/queue/flows"+query, nil).is(http.StatusOK)).Items
	}
	if all, running, of := flows(""), flows("?state=running"), flows("?subject="+quick.String()); len(all) != 2 || all[0].Stages != nil ||
		len(running) != 1 || running[0].ID != f.ID || len(of) != 1 || of[0].SubjectID != quick {
		t.Errorf("flows %v, running %v, of one subject %v", all, running, of)
	}

	batches := pages(w, operator, "/v1/queue/batches?limit=1", func(b QueueBatch) uuid.UUID { return b.ID })
	if len(batches) != 2 {
		t.Errorf("batches %v", batches)
	}
	one := into[QueueBatch](w.do(operator, "GET", "/v1/queue/batches/"+f.Stages[1].Batch.ID.String(), nil).is(http.StatusOK))
	if one.FlowID != f.ID || one.Total != 3 || one.Pending != 1 {
		t.Errorf("batch %+v", one)
	}

	cancel := "/v1/queue/flows/" + id + "/cancel"
	key := header{"Idempotency-Key": "stop"}
	w.do(operator, "POST", cancel, nil, key).is(http.StatusAccepted)
	w.AwaitFlow(subject, "cancelled")
	w.do(operator, "POST", cancel, nil).refused(http.StatusConflict, "flow_not_running")
	w.do(operator, "POST", cancel, nil, key).is(http.StatusAccepted)

	prune := func(body object, want int) { // a callback may still run, which spares its flow
		t.Helper()
		deleted := 0
		w.Await(fmt.Sprintf("%v deletes %d flows", body, want), func() bool {
			deleted += into[deletedOut](w.do(operator, "POST", "/v1/queue/prune-batches", body).is(http.StatusOK)).Deleted
			return deleted == want
		})
	}
	prune(object{"hours": 1, "unfinished_hours": 1}, 0)
	prune(object{"hours": 0}, 2)
	w.do(operator, "GET", "/v1/queue/flows/"+id, nil).refused(http.StatusNotFound, "flow_not_found")

	w.Start(jobs.Chain(jobs.Batch(job.In(time.Hour))))
	prune(object{"hours": 0}, 0)
	prune(object{"hours": 0, "unfinished_hours": 0}, 1)
}

func TestQueuesArePausedAndContinued(t *testing.T) {
	w := newWorld(t)
	k := w.shaky("test:plain", false, &atomic.Bool{})
	operator := w.user(account.Operator)
	state := func() QueueState {
		t.Helper()
		all := into[pageOut[QueueState]](w.do(operator, "GET", "/v1/queue/queues", nil).is(http.StatusOK)).Items
		if len(all) != len(allQueues) || all[5].Name != "low" {
			t.Fatalf("queues %+v", all)
		}
		return all[5]
	}
	pause := func(verb string, want bool) {
		t.Helper()
		if got := into[pausedOut](w.do(operator, "POST", "/v1/queue/queues/low/"+verb, nil).is(http.StatusOK)); got != (pausedOut{"low", want}) {
			t.Errorf("%s: %+v", verb, got)
		}
	}
	pause("pause", true)
	stop := w.Work(allQueues...)
	w.Dispatch(k.New(testArgs{"kept"}))
	w.Dispatch(k.New(testArgs{"free"}).On("sms"))
	w.Await("the other queue's job ran", func() bool { return w.Events()["test:plain done"] == 1 })
	w.Await("the paused queue's job waits", func() bool { return state().Pending == 1 })
	if s := state(); !s.Paused || s.WaitSeconds <= 0 {
		t.Errorf("paused, it is %+v", s)
	}
	pause("continue", false)
	w.Await("it ran too", func() bool { return w.Events()["test:plain done"] == 2 })
	if s := state(); s.Paused || s.Pending != 0 {
		t.Errorf("continued, it is %+v", s)
	}
	pause("continue", false) // again, although it was not paused

	stop()
	if err := w.api.Redis.Close(); err != nil {
		t.Fatal(err)
	}
	w.do(operator, "GET", "/v1/queue/queues", nil).refused(http.StatusServiceUnavailable, "redis_unavailable")
}

func TestWorkersAreRestarted(t *testing.T) {
	w := newWorld(t)
	job := w.shaky("test:plain", false, &atomic.Bool{}).New(testArgs{"x"})
	operator := w.user(account.Operator)
	worker := w.System.Worker(w.Registry, jobstest.Config(allQueues...))
	for round := range 2 {
		ended := make(chan error, 1)
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		go func() { ended <- worker.Run(ctx) }()
		w.Dispatch(job.In(5 * watchInterval)) // in the second round, the restart of the first is old by then
		w.Await("it works", func() bool { return w.Events()["test:plain done"] == round+1 })
		answer := w.do(operator, "POST", "/v1/queue/restart", nil).is(http.StatusAccepted)
		if !containsText(answer, "restarting") {
			t.Errorf("answer %s", answer.Body)
		}
		select {
		case err := <-ended:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(jobstest.Deadline):
			cancel()
			<-ended
			t.Fatal("the worker goes on")
		}
	}
}

// queueRequests returns one request of each operation on the queue, after w.failures.
func (w *world) queueRequests(operator user) []question {
	w.t.Helper()
	failed := w.failed(operator, "")
	k := jobs.Kind[testArgs]{Name: "test:plain", Queue: "low"}
	flow := w.Flow(w.Start(jobs.Chain(jobs.Batch(k.New(testArgs{"later"}).In(time.Hour)))))
	batch := flow.Stages[0].Batch.ID.String()
	ask := func(method, path string, body any, status int) question {
		return question{operator, method, "/v1/queue" + path, body, status}
	}
	return []question{
		ask("GET", "/failed?queue=low&kind=test:plain&tag=word:beta&limit=1&cursor="+uuid.Max.String(), nil, http.StatusOK),
		ask("GET", "/failed/"+failed[0].ID.String(), nil, http.StatusOK),
		ask("POST", "/failed/"+failed[0].ID.String()+"/retry", object{}, http.StatusAccepted),
		ask("POST", "/failed/retry", object{"queue": "low", "kind": "test:plain", "tag": "word:gamma"}, http.StatusAccepted),
		ask("DELETE", "/failed/"+failed[1].ID.String(), nil, http.StatusNoContent),
		ask("DELETE", "/failed?hours=24", nil, http.StatusOK),
		ask("GET", "/batches?limit=1", nil, http.StatusOK),
		ask("GET", "/batches/"+batch, nil, http.StatusOK),
		ask("GET", "/flows?state=running&limit=1&subject="+flow.Subject.ID.String(), nil, http.StatusOK),
		ask("GET", "/flows/"+flow.ID.String(), nil, http.StatusOK),
		ask("POST", "/flows/"+flow.ID.String()+"/cancel", nil, http.StatusAccepted),
		ask("POST", "/prune-batches", object{"hours": 24, "unfinished_hours": 48}, http.StatusOK),
		ask("GET", "/queues", nil, http.StatusOK),
		ask("POST", "/queues/sms/pause", nil, http.StatusOK),
		ask("POST", "/queues/sms/continue", object{}, http.StatusOK),
		ask("POST", "/restart", nil, http.StatusAccepted),
	}
}

// watchInterval is how often a worker asks whether it is to end.
const watchInterval = 100 * time.Millisecond

// queueRoutes returns the requests of an operator's API, with ids that name nothing.
func (w *world) queueRoutes() (requests []refusal) {
	fill := strings.NewReplacer(":id", uuid.NewString(), ":name", "low")
	for _, r := range w.api.engine.Routes() {
		if strings.HasPrefix(r.Path, "/v1/queue/") {
			requests = append(requests, refusal{name: r.Method + " " + r.Path, method: r.Method, path: fill.Replace(r.Path)})
		}
	}
	return requests
}

func TestTheQueueIsForOperators(t *testing.T) {
	w := newWorld(t)
	rider, driver := w.user(account.Rider), w.user(account.Driver)
	var all []refusal
	for _, r := range w.queueRoutes() {
		r.status, r.code = http.StatusForbidden, "operators_only"
		for _, r.by = range []user{rider, driver} {
			all = append(all, r)
		}
		r.by, r.status, r.code = nobody, http.StatusUnauthorized, "not_signed_in"
		all = append(all, r)
	}
	if len(all) != 3*16 {
		t.Errorf("%d requests", len(all))
	}
	w.refuseAll(t, all)
}

func TestQueueRequestsAreRefused(t *testing.T) {
	w := newWorld(t)
	operator := w.user(account.Operator)
	nothing := uuid.Must(uuid.NewV7()).String()
	const q, notFound = "/v1/queue", http.StatusNotFound
	w.refuseAll(t, []refusal{
		{"an unknown queue", operator, "GET", q + "/failed?queue=fast", nil, invalidStatus, "queue_unknown", nil},
		{"a wrong cursor", operator, "GET", q + "/failed?cursor=2", nil, invalidStatus, "cursor_invalid", nil},
		{"a wrong limit", operator, "GET", q + "/batches?limit=0", nil, invalidStatus, "limit_out_of_range", nil},
		{"no age", operator, "DELETE", q + "/failed", nil, invalidStatus, "field_missing", nil},
		{"an age of letters", operator, "DELETE", q + "/failed?hours=day", nil, invalidStatus, "hours_out_of_range", nil},
		{"an age of centuries", operator, "DELETE", q + "/failed?hours=87601", nil, invalidStatus, "hours_out_of_range", nil},
		{"a job that has not failed", operator, "GET", q + "/failed/" + nothing, nil, notFound, "failed_job_not_found", nil},
		{"a job without an id", operator, "DELETE", q + "/failed/x", nil, notFound, "failed_job_not_found", nil},
		{"a retry of nothing", operator, "POST", q + "/failed/" + nothing + "/retry", nil, notFound, "failed_job_not_found", nil},
		{"a retry without an id", operator, "POST", q + "/failed/x/retry", nil, notFound, "failed_job_not_found", nil},
		{"a retry with a field", operator, "POST", q + "/failed/" + nothing + "/retry", object{"now": true}, malformedStatus, "field_unknown", nil},
		{"a retry of an unknown queue", operator, "POST", q + "/failed/retry", object{"queue": "fast"}, invalidStatus, "queue_unknown", nil},
		{"a retry without a body", operator, "POST", q + "/failed/retry", nil, malformedStatus, "json_invalid", nil},
		{"an unknown batch", operator, "GET", q + "/batches/" + nothing, nil, notFound, "batch_not_found", nil},
		{"a batch without an id", operator, "GET", q + "/batches/x", nil, notFound, "batch_not_found", nil},
		{"pruning of no age", operator, "POST", q + "/prune-batches", object{}, invalidStatus, "field_missing", nil},
		{"pruning of the future", operator, "POST", q + "/prune-batches", object{"hours": -1}, invalidStatus, "hours_out_of_range", nil},
		{"pruning of the unborn", operator, "POST", q + "/prune-batches", object{"hours": 1, "unfinished_hours": -1}, invalidStatus, "hours_out_of_range", nil},
		{"an unknown state", operator, "GET", q + "/flows?state=lost", nil, invalidStatus, "state_unknown", nil},
		{"a wrong subject", operator, "GET", q + "/flows?subject=me", nil, invalidStatus, "subject_invalid", nil},
		{"an unknown flow", operator, "GET", q + "/flows/" + nothing, nil, notFound, "flow_not_found", nil},
		{"a flow without an id", operator, "POST", q + "/flows/x/cancel", nil, notFound, "flow_not_found", nil},
		{"a cancel of nothing", operator, "POST", q + "/flows/" + nothing + "/cancel", nil, notFound, "flow_not_found", nil},
		{"a pause of an unknown queue", operator, "POST", q + "/queues/fast/pause", nil, notFound, "queue_not_found", nil},
		{"going on with an unknown queue", operator, "POST", q + "/queues/fast/continue", nil, notFound, "queue_not_found", nil},
		{"a pause with a field", operator, "POST", q + "/queues/low/pause", object{"hours": 1}, malformedStatus, "field_unknown", nil},
		{"a restart with a field", operator, "POST", q + "/restart", object{"hard": true}, malformedStatus, "field_unknown", nil},
		{"a restart with a wrong key", operator, "POST", q + "/restart", nil, malformedStatus, "idempotency_key_invalid", header{"Idempotency-Key": strings.Repeat("k", 129)}},
	})
}

// A key stands for one request also where the answer is stored after the deed.
func TestQueueRequestsMayBeRepeated(t *testing.T) {
	w := newWorld(t)
	operator := w.user(account.Operator)
	for path, body := range map[string]any{
		"/v1/queue/queues/low/pause": nil, "/v1/queue/queues/low/continue": object{}, "/v1/queue/restart": nil,
		"/v1/queue/prune-batches": object{"hours": 24}, "/v1/queue/failed/retry": object{"kind": "x"},
	} {
		key := header{"Idempotency-Key": uuid.NewString()}
		first := w.do(operator, "POST", path, body, key)
		again := w.do(operator, "POST", path, body, key).is(first.Code)
		if first.Code >= 300 || first.Header().Get("Idempotency-Replayed") != "" || again.Header().Get("Idempotency-Replayed") != "true" ||
			again.Body.String() != first.Body.String() {
			t.Errorf("%s: %d %s, then %s", path, first.Code, first.Body, again.Body)
		}
		w.do(operator, "POST", "/v1/queue/queues/sms/pause", nil, key).refused(invalidStatus, "idempotency_key_reused")
	}
	if paused := w.do(operator, "GET", "/v1/queue/queues", nil).is(http.StatusOK); containsText(paused, `"name":"sms","paused":true`) {
		t.Errorf("a refused request paused a queue: %s", paused.Body)
	}
}
