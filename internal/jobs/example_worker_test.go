package jobs_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
)

// A queue of greater weight is asked first more often, and the others are not
// starved. With WorkerConfig.Strict they wait: see TestStrictPriority.
func TestWeightedPriorities(t *testing.T) {
	h, d := jobstest.New(t), &diary{}
	high, low := d.record(h, "high").On("first"), d.record(h, "low").On("second")
	h.Dispatch(slices.Repeat([]jobs.Job{low, high}, 100)...)
	pending(t, h, "first", 100)
	pending(t, h, "second", 100)
	cfg := jobstest.Config()
	cfg.Queues, cfg.Concurrency, cfg.MaxJobs = map[string]int{"first": 4, "second": 1}, 1, 100
	ends(t, h, cfg)
	// Of a hundred about twenty are low.
	if n := strings.Count(d.String(), "low"); n == 0 || n >= 50 {
		t.Errorf("%d of the first 100 jobs came from the queue of a fifth of the weight", n)
	}
}

// A worker runs as many jobs at a time as it is told to.
func TestConcurrency(t *testing.T) {
	h := jobstest.New(t)
	var mu sync.Mutex
	now, most := 0, 0
	count := func(n int) {
		mu.Lock()
		defer mu.Unlock()
		now += n
		most = max(most, now)
	}
	three := make(chan struct{}, 100)
	goOn := make(chan struct{})
	job := handle(h, "a", func(context.Context, *jobs.Attempt) error {
		count(1)
		defer count(-1)
		three <- struct{}{}
		<-goOn
		return nil
	})
	h.Dispatch(slices.Repeat([]jobs.Job{job}, 12)...)
	cfg := jobstest.Config("q")
	cfg.Concurrency = 3
	h.WorkWith(cfg)
	for range 3 {
		<-three
	}
	close(goOn)
	h.Await("all have run", func() bool { return h.Events()["a done"] == 12 })
	mu.Lock()
	defer mu.Unlock()
	if most != 3 {
		t.Errorf("%d jobs ran at a time, want 3", most)
	}
}

// A worker that stops takes no more jobs and lets those that run end.
func TestGracefulStop(t *testing.T) {
	h := jobstest.New(t)
	began, goOn := make(chan struct{}, 1), make(chan struct{})
	job := handle(h, "a", func(ctx context.Context, _ *jobs.Attempt) error {
		began <- struct{}{}
		<-goOn
		return ctx.Err()
	})
	cfg := jobstest.Config("q")
	cfg.Concurrency, cfg.StopTimeout = 1, jobstest.Deadline
	stop := h.WorkWith(cfg)
	h.Dispatch(job, job)
	<-began
	var stopped sync.WaitGroup
	stopped.Go(stop)
	close(goOn)
	stopped.Wait()
	// The second may have been taken before the stop.
	if e := h.Events(); e["a done"] == 0 || e["a done"] != e["a started"] {
		t.Errorf("what ran was not let end: %v", e)
	}
}

// What does not end within the stop timeout is put back, and runs again in another
// worker as the same attempt.
func TestStopTimeout(t *testing.T) {
	h := jobstest.New(t)
	attempts := make(chan int, 2)
	var restarted atomic.Bool
	job := handle(h, "a", func(ctx context.Context, a *jobs.Attempt) error {
		attempts <- a.Number
		if restarted.Load() {
			return nil
		}
		<-ctx.Done()
		return ctx.Err()
	})
	cfg := jobstest.Config("q")
	cfg.StopTimeout = 50 * time.Millisecond
	stop := h.WorkWith(cfg)
	subject := h.Start(jobs.Chain(job))
	first := <-attempts
	stop()
	restarted.Store(true)
	h.Work("q")
	h.AwaitFlow(subject, "done")
	if second := <-attempts; first != 1 || second != 1 {
		t.Errorf("attempts %d and %d, want 1 both times", first, second)
	}
}

// A queue that is paused keeps its jobs until it is continued.
func Example_pauseAndContinue() {
	q, end := jobstest.Demo()
	defer end()
	ctx, admin := context.Background(), q.System.Admin()

	_ = admin.Pause(ctx, "default")
	q.Dispatch(says(q, "mail"), says(q, "alarm").On("urgent"))
	fmt.Println(q.Drain(), "attempt")
	_, _ = admin.Continue(ctx, "default")
	fmt.Println(q.Drain(), "attempt")
	// Output:
	// alarm
	// 1 attempt
	// mail
	// 1 attempt
}

// Workers that run heed a pause too, and a continue wakes them.
func TestPauseHoldsWorkersBack(t *testing.T) {
	h, d := jobstest.New(t), &diary{}
	mail, alarm := d.record(h, "mail"), d.record(h, "alarm").On("urgent")
	admin := h.System.Admin()
	h.Work("q", "urgent")
	if err := admin.Pause(t.Context(), "q"); err != nil {
		t.Fatal(err)
	}
	h.Dispatch(mail, alarm)
	h.Await("the other queue goes on", func() bool { return h.Events()["alarm done"] == 1 })
	pending(t, h, "q", 1)
	if was, err := admin.Continue(t.Context(), "q"); !was || err != nil {
		t.Fatalf("was paused %v, %v", was, err)
	}
	h.Await("the paused queue goes on", func() bool { return h.Events()["mail done"] == 1 })
}

// Size and age of a queue are there to be watched and to raise an alarm: for a
// program, for Prometheus, and as asynqmon's pages, with the jobs' arguments.
func TestMonitor(t *testing.T) {
	h := jobstest.New(t)
	k := step("mail")
	h.Dispatch(k.New(stepArgs{"ana"}), k.New(stepArgs{"bo"}), k.New(stepArgs{"cy"}).In(time.Hour))
	h.Await("the queue is too long and its oldest job too old", func() bool {
		v, err := h.System.Admin().Queues(t.Context(), "q")
		return err == nil && v[0].Pending == 2 && v[0].Wait > 5*time.Millisecond && v[0].Scheduled == 1
	})
	figures := prometheus.NewRegistry()
	figures.MustRegister(h.System.Collector(map[string]int{"q": 1}))
	for what, page := range map[string]struct {
		from http.Handler
		path string
		want string
	}{
		"size":      {promhttp.HandlerFor(figures, promhttp.HandlerOpts{}), "/", `spotpool_queue_tasks{queue="q",state="pending"} 2`},
		"age":       {promhttp.HandlerFor(figures, promhttp.HandlerOpts{}), "/", `spotpool_queue_wait_seconds{queue="q"} `},
		"arguments": {h.System.Monitor("/monitor"), "/monitor/api/queues/q/pending_tasks", `{\"name\":\"bo\"}`},
	} {
		answer := httptest.NewRecorder()
		page.from.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, page.path, nil))
		body, _ := io.ReadAll(answer.Body)
		if !strings.Contains(string(body), page.want) {
			t.Errorf("%s: %s does not hold %s", what, body, page.want)
		}
	}
}
