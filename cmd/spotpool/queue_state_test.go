package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/db/dbtest"
	"github.com/spotpool/spotpool/internal/httpapi"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
	"github.com/spotpool/spotpool/internal/pay"
	"github.com/spotpool/spotpool/internal/sim"
)

// buffer collects what a program prints while it runs.
type buffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// start runs a command in this process until it ends or stop is called.
func start(t *testing.T, args ...string) (out, errs *buffer, ended <-chan int, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	out, errs = &buffer{}, &buffer{}
	code := make(chan int, 1)
	go func() { code <- run(ctx, args, out, errs) }()
	t.Cleanup(cancel)
	return out, errs, code, cancel
}

// ends waits for the exit code of a command.
func ends(t *testing.T, ended <-chan int, errs *buffer, want int) {
	t.Helper()
	select {
	case code := <-ended:
		if code != want {
			t.Errorf("exit %d, want %d\n%s", code, want, errs)
		}
	case <-time.After(jobstest.Deadline):
		t.Fatalf("it goes on\n%s", errs)
	}
}

// prints waits until a program has printed the text n times.
func prints(t *testing.T, out *buffer, text string, n int) {
	t.Helper()
	await(t, "it prints "+text, jobstest.Deadline, func() (bool, string) {
		return strings.Count(out.String(), text) >= n, out.String()
	})
}

// onRedis returns the flags of a database and a Redis of the test's own that
// several processes can reach.
func onRedis(t *testing.T) (at []string) {
	t.Helper()
	at = where(t)
	if os.Getenv("SPOTPOOL_TEST_REDIS") == "" {
		at = append(at, "--redis", redisURL(jobstest.Redis(t)))
	}
	if os.Getenv("SPOTPOOL_TEST_MYSQL") == "" {
		at = append(at, "--database", dbtest.Target(t))
	}
	if code, _, errs := command(t, append([]string{"migrate"}, at...)...); code != exitOK {
		t.Fatal(errs)
	}
	return at
}

func TestMonitorTellsWhatWaits(t *testing.T) {
	at := onRedis(t)
	dispatch(t, at, false, nil, func(tx *db.Tx, c *jobs.Client) error {
		return c.Dispatch(tx, openKind.New(word{"a"}), openKind.New(word{"b"}), openKind.New(word{"c"}).In(time.Hour))
	})
	queue(t, at, "pause", "low")
	var low httpapi.QueueState
	await(t, "two jobs wait and one is put off", jobstest.Deadline, func() (bool, string) {
		for _, q := range rows[httpapi.QueueState](t, queue(t, at, "monitor", "--json")) {
			if q.Name == "low" {
				low = q
			}
		}
		return low.Pending == 2 && low.Scheduled == 1 && low.Paused && low.WaitSeconds > 0, queue(t, at, "monitor")
	})
	for _, c := range []struct {
		flags string
		code  int
		says  string
	}{
		{"--max 2", exitOK, "paused"}, {"--max 1", exitFailed, "paused, TOO MANY"},
		{"--max-wait 1h", exitOK, "paused"}, {"--max-wait 1ns", exitFailed, "paused, TOO LONG"},
	} {
		code, out, errs := command(t, append(append([]string{"queue", "monitor"}, strings.Fields(c.flags)...), at...)...)
		if code != c.code || errs != "" || !strings.HasSuffix(lineOf(out, "low"), c.says) || !strings.HasSuffix(lineOf(out, "pay"), "ok") {
			t.Errorf("%s: exit %d, printed\n%s%s", c.flags, code, out, errs)
		}
	}

	out, errs, ended, stop := start(t, append([]string{"queue", "monitor", "--max", "1", "--every", "10ms"}, at...)...)
	prints(t, out, "QUEUE", 3)
	stop()
	ends(t, ended, errs, exitFailed)
	if got := queue(t, at, "continue", "low"); got != "low goes on\n" {
		t.Errorf("printed %q", got)
	}
	if got := queue(t, at, "continue", "low"); got != "low was not paused\n" {
		t.Errorf("printed %q", got)
	}
}

// lineOf returns the line of a table that begins with a word, without what is behind it.
func lineOf(table, first string) string {
	for line := range strings.Lines(table) {
		if strings.HasPrefix(line, first+" ") {
			return strings.TrimSpace(line)
		}
	}
	return ""
}

// A queue with a Redis of its own is delivered there, watched there and worked off there.
func TestAQueueMayHaveARedisOfItsOwn(t *testing.T) {
	at, own := onRedis(t), jobstest.Redis(t)
	at = append(at, "--queue-redis", "pay="+redisURL(own))
	holds(t, at, 2)
	rdb := own.MakeRedisClient().(redis.UniversalClient)
	defer func() { _ = rdb.Close() }()
	await(t, "both jobs are there", jobstest.Deadline, func() (bool, string) {
		n, err := rdb.LLen(t.Context(), "asynq:{pay}:pending").Result()
		return err == nil && n == 2, fmt.Sprint(n, err)
	})
	if got := strings.Fields(lineOf(queue(t, at, "monitor"), "pay")); got[1] != "2" {
		t.Errorf("the monitor shows %q", got)
	}
	_, errs, ended, _ := start(t, append([]string{"work", "--queues", "pay,sms", "--stop-when-empty"}, at...)...)
	ends(t, ended, errs, exitOK)
	if got := failedJobs(t, at); len(got) != 2 {
		t.Errorf("%d jobs have run", len(got))
	}
}

func TestMonitorSaysThatRedisIsDown(t *testing.T) {
	at := append(migrated(t), "--redis", "127.0.0.1:1")
	refused(t, at, exitFailed, "Redis", "monitor")
}

// holds dispatches jobs of a kind of the program's own that fail at once, since
// what they are about does not exist.
func holds(t *testing.T, at []string, n int) {
	t.Helper()
	dispatch(t, at, false, nil, func(tx *db.Tx, c *jobs.Client) error {
		for range n {
			if err := c.Dispatch(tx, pay.Hold(uuid.New())); err != nil {
				return err
			}
		}
		return nil
	})
}

func TestAWorkProcessEndsByItself(t *testing.T) {
	at := append(onRedis(t), "--queues", "pay")
	holds(t, at, 10)
	for _, c := range []struct {
		flags string
		why   string
		ran   int
	}{
		{"--max-jobs 3", "as many jobs as it may", 3},
		{"--max-jobs 3 --concurrency 1", "as many jobs as it may", 6},
		{"--stop-when-empty", "no job is due", 10},
		{"--max-time 100ms", "for as long as it may", 10},
		{"--memory 1", "more memory than it may", 10},
	} {
		_, errs, ended, _ := start(t, append(append([]string{"work"}, strings.Fields(c.flags)...), at...)...)
		ends(t, ended, errs, exitOK)
		if !strings.Contains(errs.String(), c.why) {
			t.Errorf("%s: the log does not say %q:\n%s", c.flags, c.why, errs)
		}
		if got := failedJobs(t, at, "--limit", "100"); len(got) != c.ran {
			t.Errorf("%s: %d jobs have run, want %d", c.flags, len(got), c.ran)
		}
	}
}

func TestARestartEndsAWorkProcess(t *testing.T) {
	at := append(onRedis(t), "--queues", "pay")
	holds(t, at, 1)
	_, errs, ended, _ := start(t, append([]string{"work"}, at...)...)
	await(t, "it works", jobstest.Deadline, func() (bool, string) { return len(failedJobs(t, at)) == 1, errs.String() })
	queue(t, at, "restart")
	ends(t, ended, errs, exitOK)
	if !strings.Contains(errs.String(), "a restart was asked for") {
		t.Errorf("the log does not say why:\n%s", errs)
	}
}

// get returns what an address answers.
func get(t *testing.T, url string) string {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// Beside a server with an embedded Redis, which other processes cannot reach,
// what an operator asks for is heeded with the next sweep.
func TestOperatingBesideAServer(t *testing.T) {
	at := where(t)
	out, errs, ended, stop := start(t, append([]string{"serve", "--addr", "127.0.0.1:0", "--sweep-interval", "200ms"}, at...)...)
	ran := func(n int) {
		t.Helper()
		holds(t, at, 1)
		await(t, "the job ran", jobstest.Deadline, func() (bool, string) { return len(failedJobs(t, at)) == n, errs.String() })
	}
	await(t, "it has migrated", jobstest.Deadline, func() (bool, string) {
		code, out, _ := command(t, append([]string{"queue", "flows"}, at...)...)
		return code == exitOK, out
	})
	ran(1)
	queue(t, at, "restart")
	prints(t, errs, "worker starts again", 1)
	ran(2)
	if got := queue(t, at, "retry", "all"); got != "retried 2, refused 0\n" {
		t.Errorf("printed %q", got)
	}
	await(t, "they have failed again", jobstest.Deadline, func() (bool, string) {
		again := failedJobs(t, at)
		return len(again) == 2 && again[0].Times+again[1].Times == 4, errs.String()
	})
	figures := get(t, servesOn.FindStringSubmatch(out.String())[1]+"/metrics")
	if want := `spotpool_jobs_failed_total{kind="pay:hold"} 4`; !strings.Contains(figures, want) {
		t.Errorf("no line %s", want)
	}
	stop()
	ends(t, ended, errs, exitOK)
}

// A job that takes longer than a worker has to stop is put back, run again by
// another worker, and recorded once.
func TestAWorkerThatStopsPutsBackWhatItCannotEnd(t *testing.T) {
	const long = 12 * time.Second
	at := onRedis(t)
	api := launch(t, append([]string{"api"}, at...)...)
	slow := launch(t, append([]string{"work", "--sandbox-latency", long.String(), "--stop-timeout", "300ms"}, at...)...)
	offer(t, crowd(t, at, api.base, "driver", 1)[0], 0)
	o, err := crowd(t, at, api.base, "rider", 1)[0].PlaceOrder(t.Context(), wish(0))
	if err != nil {
		t.Fatal(err)
	}
	payments := func() (q httpapi.QueueState) {
		for _, q = range rows[httpapi.QueueState](t, queue(t, at, "monitor", "--json")) {
			if q.Name == "pay" {
				break
			}
		}
		return q
	}
	await(t, "the fare is being held", jobstest.Deadline, func() (bool, string) { return payments().Active == 1, fmt.Sprintf("%+v", payments()) })
	began := time.Now()
	slow.stop()
	if took := time.Since(began); took > long*2/3 {
		t.Errorf("the worker took %s to stop", took)
	}
	if q := payments(); q.Pending != 1 || q.Active != 0 {
		t.Errorf("the job was not put back: %+v", q)
	}
	launch(t, append([]string{"work", "--sandbox-latency", "1ms"}, at...)...)
	operator := sim.NewClient(api.base, nil).As(token(t, at, "operator", "+8613900000000"))
	if got := awaitEnd(t, operator, 1); got["confirmed"] != 1 {
		t.Errorf("orders %v", got)
	}
	err = beside(t, at, func(a *app) error {
		flow, _, err := a.system.Client().FlowOf(t.Context(), o.ID)
		for _, st := range flow.Stages {
			for _, j := range st.Jobs {
				if j.Kind == "pay:hold" && (j.State != "done" || j.Attempts != 0) {
					t.Errorf("the job %+v", j)
				}
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	audit(t, at)
}
