package jobs_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/hibiken/asynq"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/db/dbtest"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
)

// What a mortal worker, a process of this test program, is told.
const (
	mortalDB    = "SPOTPOOL_TEST_MORTAL_DB"
	mortalRedis = "SPOTPOOL_TEST_MORTAL_REDIS" // address, user, password and number, a line each
)

// mortalKind is tried twice.
func mortalKind() jobs.Kind[stepArgs] {
	k := step("mortal")
	k.Tries = 2
	return k
}

// runMortal runs a worker whose job fails once and is then never done. It ends
// when it is killed.
func runMortal() {
	d, err := db.Open(context.Background(), os.Getenv(mortalDB))
	if err != nil {
		panic(err)
	}
	where := strings.Split(os.Getenv(mortalRedis), "\n")
	number, _ := strconv.Atoi(where[3])
	s := jobs.New(jobs.Options{
		DB: d, Redis: asynq.RedisClientOpt{Addr: where[0], Username: where[1], Password: where[2], DB: number},
		Clock: clock.System{}, Retention: time.Hour, Log: slog.New(slog.DiscardHandler),
	})
	r := jobs.NewRegistry()
	jobs.Handle(r, mortalKind(), func(_ context.Context, a *jobs.Attempt, _ stepArgs) error {
		fmt.Printf("attempt %d\n", a.Number)
		if a.Number == 1 {
			return errors.New("a first failure")
		}
		select {}
	})
	if err := s.Worker(r, jobstest.Config("q")).Run(context.Background()); err != nil {
		panic(err)
	}
}

// killOnLastAttempt has another process take the job and kills it, with SIGKILL
// where there is such a thing, while the last attempt runs.
func killOnLastAttempt(t *testing.T, target string, conn asynq.RedisClientOpt) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), jobstest.Deadline)
	defer cancel()
	child := exec.CommandContext(ctx, os.Args[0])
	child.Env = append(os.Environ(), mortalDB+"="+target,
		mortalRedis+"="+strings.Join([]string{conn.Addr, conn.Username, conn.Password, strconv.Itoa(conn.DB)}, "\n"))
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	said := ""
	for lines := bufio.NewScanner(out); said != "attempt 2" && lines.Scan(); {
		said = lines.Text()
	}
	if err := child.Process.Kill(); err != nil || said != "attempt 2" {
		t.Errorf("killed after %q, %v; want the last attempt", said, err)
	}
	_ = child.Wait()
}

// mortalHarness starts a flow of one mortal job and a catch chain on servers that
// a second process can reach.
func mortalHarness(t *testing.T) (h *jobstest.Harness, target string, conn asynq.RedisClientOpt) {
	target, conn = dbtest.Target(t), jobstest.Redis(t).(asynq.RedisClientOpt)
	d, err := db.Open(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	if err := d.Migrate(t.Context(), io.Discard); err != nil {
		t.Fatal(err)
	}
	return jobstest.On(t, d, conn), target, conn
}

// checkGivenUp expects that the flow's catch chain has run and the job is among
// the failed ones.
func checkGivenUp(t *testing.T, h *jobstest.Harness, subject uuid.UUID, why string) {
	t.Helper()
	if got, want := outline(h.AwaitFlow(subject, "failed")), "main mortal:failed(2); catch undo:done"; got != want {
		t.Errorf("stages %q, want %q", got, want)
	}
	failed, err := h.System.Admin().Failed(t.Context(), jobs.FailedFilter{})
	if err != nil || len(failed) != 1 || !strings.Contains(failed[0].Error, why) || failed[0].Attempts != 2 {
		t.Errorf("failed jobs %+v, %v; want one that says %q", failed, err, why)
	}
	assertAudit(t, h)
}

// A worker dies on a job's last attempt. asynq hands the task to another, which
// must not try once more.
func TestAWorkerKilledOnTheLastAttempt(t *testing.T) {
	t.Parallel()
	h, target, conn := mortalHarness(t)
	d := &diary{}
	subject := h.Start(jobs.Chain(mortalKind().New(stepArgs{})).Catch(d.record(h, "undo")))
	killOnLastAttempt(t, target, conn)
	job := onlyJob(h, subject)
	if info := task(t, h, job); info.State != asynq.TaskStateActive {
		t.Fatalf("the task is %s, want active", info.State)
	}
	expireLease(t, h, job)
	jobs.Handle(h.Registry, mortalKind(), func(_ context.Context, a *jobs.Attempt, _ stepArgs) error {
		t.Errorf("attempt %d was made", a.Number)
		return nil
	})
	h.Work("q")
	checkGivenUp(t, h, subject, "its worker died")
}

// The same with a task of which asynq believes that it may not be tried again:
// its recoverer archives it and tells nobody. The sweep finds out.
func TestATaskArchivedWithoutAWord(t *testing.T) {
	t.Parallel()
	h, target, conn := mortalHarness(t)
	d := &diary{}
	subject := h.Start(jobs.Chain(mortalKind().New(stepArgs{})).Catch(d.record(h, "undo")))
	job := onlyJob(h, subject)
	inspector := asynq.NewInspectorFromRedisClient(h.System.Redis())
	h.Await("delivered", func() bool { return inspector.DeleteTask("q", job.String()+":0") == nil })
	_, err := asynq.NewClientFromRedisClient(h.System.Redis()).Enqueue(asynq.NewTask("mortal", []byte(job.String()+":0")),
		asynq.TaskID(job.String()+":0"), asynq.Queue("q"), asynq.MaxRetry(1))
	if err != nil {
		t.Fatal(err)
	}
	killOnLastAttempt(t, target, conn)
	expireLease(t, h, job)
	jobs.Handle(h.Registry, mortalKind(), func(_ context.Context, a *jobs.Attempt, _ stepArgs) error {
		if a.Number != 2 {
			t.Errorf("attempt %d was made", a.Number)
		}
		return errors.New("a second failure")
	})
	h.Work("q")
	checkGivenUp(t, h, subject, "a second failure")
	if info := task(t, h, job); info.State != asynq.TaskStateArchived || info.LastErr != asynq.ErrLeaseExpired.Error() {
		t.Errorf("the first delivery is %s with %q: the fault did not happen", info.State, info.LastErr)
	}
}

// A handler that does not heed its timeout goes on while the next attempt runs.
// Whichever is done first counts, and only that.
func TestAHandlerThatIgnoresItsTimeout(t *testing.T) {
	t.Parallel()
	h := jobstest.New(t)
	e := newEffects(t, h)
	late, second := make(chan error, 1), make(chan error, 1)
	done := func(ctx context.Context, a *jobs.Attempt) error {
		return a.Done(context.WithoutCancel(ctx), func(tx *db.Tx) error { return e.record(tx, a) })
	}
	stubborn := func(name string, run func(ctx context.Context, a *jobs.Attempt) error) jobs.Job {
		k := step(name)
		k.Timeout = 20 * time.Millisecond
		jobs.Handle(h.Registry, k, func(ctx context.Context, a *jobs.Attempt, _ stepArgs) error { return run(ctx, a) })
		return k.New(stepArgs{})
	}
	runs := make(chan struct{})
	first := stubborn("late_is_first", func(ctx context.Context, a *jobs.Attempt) error {
		if a.Number == 1 {
			<-runs
			err := done(ctx, a)
			late <- err
			return err
		}
		close(runs)
		if err := <-late; err != nil {
			t.Errorf("the late run: %v", err)
		}
		return expectSuperseded(t, done(ctx, a))
	})
	last := stubborn("late_is_last", func(ctx context.Context, a *jobs.Attempt) error {
		if a.Number == 1 {
			if err := <-second; err != nil {
				t.Errorf("the retry: %v", err)
			}
			err := expectSuperseded(t, done(ctx, a))
			second <- err
			return err
		}
		err := done(ctx, a)
		second <- err
		return err
	})
	h.Work("q")
	for _, subject := range []uuid.UUID{h.Start(jobs.Chain(first)), h.Start(jobs.Chain(last))} {
		v := h.AwaitFlow(subject, "done")
		if got := v.Stages[0].Jobs[0]; !strings.Contains(got.LastError, "did not stop") {
			t.Errorf("%s: last error %q: the fault did not happen", got.Kind, got.LastError)
		}
	}
	h.Await("the late run has ended too", func() bool {
		select {
		case err := <-second:
			return errors.Is(err, jobs.ErrSuperseded)
		default:
			return false
		}
	})
	e.check(t, 2)
	assertAudit(t, h)
}

func expectSuperseded(t *testing.T, err error) error {
	t.Helper()
	if !errors.Is(err, jobs.ErrSuperseded) {
		t.Errorf("%v, want superseded", err)
	}
	return err
}
