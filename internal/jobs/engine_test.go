package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/hibiken/asynq"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/fault"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
)

type stepArgs struct {
	Name string `json:"name"`
}

// step declares a kind of the test's own that logs its runs.
func step(name string) jobs.Kind[stepArgs] {
	return jobs.Kind[stepArgs]{
		Name: name, Queue: "q", Tries: 3, Backoff: jobs.Fixed(10 * time.Millisecond), Timeout: 10 * time.Second,
	}
}

// diary collects what ran, in order.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) add(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, fmt.Sprintf(format, args...))
}

func (d *diary) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Join(d.lines, ", ")
}

// record attaches a handler that writes its name down and is done.
func (d *diary) record(h *jobstest.Harness, name string) jobs.Job {
	k := step(name)
	jobs.Handle(h.Registry, k, func(ctx context.Context, a *jobs.Attempt, args stepArgs) error {
		return a.Done(ctx, func(*db.Tx) error {
			d.add("%s", name)
			return nil
		})
	})
	return k.New(stepArgs{name})
}

// handle attaches a handler of the test's own.
func handle(h *jobstest.Harness, name string, run func(ctx context.Context, a *jobs.Attempt) error) jobs.Job {
	k := step(name)
	jobs.Handle(h.Registry, k, func(ctx context.Context, a *jobs.Attempt, _ stepArgs) error { return run(ctx, a) })
	return k.New(stepArgs{name})
}

// outline renders a flow's stages: "a:done | b:failed(3) → …".
func outline(v jobs.FlowView) string {
	var stages []string
	for _, s := range v.Stages {
		var js []string
		for _, j := range s.Jobs {
			text := j.Kind + ":" + j.State
			if j.Attempts > 0 {
				text += fmt.Sprintf("(%d)", j.Attempts)
			}
			js = append(js, text)
		}
		stages = append(stages, s.Branch+" "+strings.Join(js, " | "))
	}
	return strings.Join(stages, "; ")
}

func TestChainRunsItsStagesInOrder(t *testing.T) {
	h, d := jobstest.New(t), &diary{}
	flow := jobs.Chain(d.record(h, "a"), jobs.Batch(d.record(h, "b"), d.record(h, "c")), d.record(h, "d")).Catch(d.record(h, "undo"))
	if got, want := flow.String(), "a → (b | c) → d, or else undo"; got != want {
		t.Errorf("flow reads %q, want %q", got, want)
	}
	h.Work("q")
	v := h.AwaitFlow(h.Start(flow), "done")
	if got := d.String(); got != "a, b, c, d" && got != "a, c, b, d" {
		t.Errorf("ran %s", got)
	}
	if got, want := outline(v), "main a:done; main b:done | c:done; main d:done; catch undo:waiting"; got != want {
		t.Errorf("stages %q, want %q", got, want)
	}
}

func TestAFailedJobIsRetriedThenTheCatchChainRuns(t *testing.T) {
	h, d := jobstest.New(t), &diary{}
	fail := handle(h, "fail", func(_ context.Context, a *jobs.Attempt) error {
		d.add("try %d", a.Number)
		return fault.New(fault.Conflict, "no_luck", "not today")
	})
	undo := handle(h, "undo", func(_ context.Context, a *jobs.Attempt) error {
		d.add("undo because %s", a.Cause)
		return nil
	})
	h.Work("q")
	v := h.AwaitFlow(h.Start(jobs.Chain(fail, d.record(h, "next")).Catch(undo)), "failed")
	if got, want := d.String(), "try 1, try 2, try 3, undo because no_luck"; got != want {
		t.Errorf("ran %q, want %q", got, want)
	}
	if got, want := outline(v), "main fail:failed(3); main next:skipped; catch undo:done"; got != want {
		t.Errorf("stages %q, want %q", got, want)
	}
	if got := v.Stages[0].Jobs[0].LastError; got != "no_luck: not today" {
		t.Errorf("last error %q", got)
	}
}

func TestFailEndsAJobAtOnce(t *testing.T) {
	h, d := jobstest.New(t), &diary{}
	fail := handle(h, "fail", func(context.Context, *jobs.Attempt) error {
		d.add("try")
		return jobs.Fail(errors.New("hopeless"))
	})
	h.Work("q")
	v := h.AwaitFlow(h.Start(jobs.Chain(fail)), "failed")
	if d.String() != "try" || v.Cause != "failed" {
		t.Errorf("ran %q, cause %q", d, v.Cause)
	}
	inspector := asynq.NewInspectorFromRedisClient(h.System.Redis())
	h.Await("asynq has archived the task with the true error", func() bool { // a moment after the database knows
		info, err := inspector.ListArchivedTasks("q")
		return err == nil && len(info) == 1 && info[0].LastErr == "hopeless"
	})
}

func TestReleaseUsesNoAttempt(t *testing.T) {
	h := jobstest.New(t)
	var runs atomic.Int32
	wait := handle(h, "wait", func(_ context.Context, a *jobs.Attempt) error {
		if a.Number != 1 {
			t.Errorf("attempt %d, want 1", a.Number)
		}
		if runs.Add(1) <= 5 { // more often than the kind has tries
			return jobs.Release(time.Millisecond, "not yet")
		}
		return nil
	})
	h.Work("q")
	v := h.AwaitFlow(h.Start(jobs.Chain(wait)), "done")
	if got := outline(v); got != "main wait:done" {
		t.Errorf("stages %q", got)
	}
}

func TestAPanicIsAFailedAttempt(t *testing.T) {
	h := jobstest.New(t)
	boom := handle(h, "boom", func(context.Context, *jobs.Attempt) error { panic("ouch") })
	h.Work("q")
	v := h.AwaitFlow(h.Start(jobs.Chain(boom)), "failed")
	if got := v.Stages[0].Jobs[0].LastError; got != "panic: ouch" {
		t.Errorf("last error %q", got)
	}
}

func TestABatchThatAllowsFailuresGoesOn(t *testing.T) {
	h, d := jobstest.New(t), &diary{}
	bad := handle(h, "bad", func(context.Context, *jobs.Attempt) error { return jobs.Fail(errors.New("no")) })
	good, after := d.record(h, "good"), d.record(h, "after")
	h.Work("q")
	v := h.AwaitFlow(h.Start(jobs.Chain(jobs.Batch(bad, good, bad).AllowFailures(), after)), "done")
	if got, want := outline(v), "main bad:failed(1) | good:done | bad:failed(1); main after:done"; got != want {
		t.Errorf("stages %q, want %q", got, want)
	}
	assertAudit(t, h)
}

func TestABatchThatDoesNotIsStopped(t *testing.T) {
	h, d := jobstest.New(t), &diary{}
	bad := handle(h, "bad", func(context.Context, *jobs.Attempt) error { return jobs.Fail(errors.New("no")) })
	later, undo := d.record(h, "later").In(time.Hour), d.record(h, "undo")
	h.Work("q")
	// The job put off for an hour is woken, to be skipped; only then the catch chain begins.
	v := h.AwaitFlow(h.Start(jobs.Chain(jobs.Batch(bad, later), jobs.Batch(d.record(h, "next"))).Catch(undo)), "failed")
	if got, want := outline(v), "main bad:failed(1) | later:skipped; main next:skipped; catch undo:done"; got != want {
		t.Errorf("stages %q, want %q", got, want)
	}
	assertAudit(t, h)
}

// The last job of a batch to end is the one that fails.
func TestABatchWhoseLastJobFailsIsStopped(t *testing.T) {
	h, d := jobstest.New(t), &diary{}
	good := d.record(h, "good")
	bad := handle(h, "bad", func(context.Context, *jobs.Attempt) error {
		if h.Events()["good done"] == 0 {
			return jobs.Release(time.Millisecond, "not the last yet")
		}
		return jobs.Fail(errors.New("no"))
	})
	h.Work("q")
	v := h.AwaitFlow(h.Start(jobs.Chain(jobs.Batch(bad, good), d.record(h, "next")).Catch(d.record(h, "undo"))), "failed")
	if got, want := outline(v), "main bad:failed(1) | good:done; main next:skipped; catch undo:done"; got != want {
		t.Errorf("stages %q, want %q", got, want)
	}
	assertAudit(t, h)
}

func TestACatchChainThatFailsEndsWhenItsStageHas(t *testing.T) {
	h, d := jobstest.New(t), &diary{}
	bad := handle(h, "bad", func(context.Context, *jobs.Attempt) error { return jobs.Fail(errors.New("no")) })
	h.Work("q")
	flow := jobs.Chain(bad).Catch(jobs.Batch(bad, d.record(h, "undo").In(50*time.Millisecond)), d.record(h, "never"))
	v := h.AwaitFlow(h.Start(flow), "failed")
	if got, want := outline(v), "main bad:failed(1); catch bad:failed(1) | undo:done; catch never:skipped"; got != want {
		t.Errorf("stages %q, want %q", got, want)
	}
	assertAudit(t, h)
}

// A cancel that meets an attempt about to fail does not wait for its backoff.
func TestCancelDoesNotWaitForABackoff(t *testing.T) {
	h, d := jobstest.New(t), &diary{}
	running, goOn := make(chan struct{}), make(chan struct{})
	k := step("flaky")
	k.Backoff = jobs.Fixed(time.Hour)
	jobs.Handle(h.Registry, k, func(context.Context, *jobs.Attempt, stepArgs) error {
		close(running)
		<-goOn
		return errors.New("gateway is away")
	})
	h.Work("q")
	subject := h.Start(jobs.Chain(k.New(stepArgs{})).Catch(d.record(h, "undo")))
	<-running
	cancel(t, h, subject, true)
	close(goOn)
	if got := outline(h.AwaitFlow(subject, "cancelled")); got != "main flaky:skipped(1); catch undo:done" {
		t.Errorf("stages %q", got)
	}
}

func TestALargeBatchBehindAnotherStage(t *testing.T) {
	h, d := jobstest.New(t), &diary{}
	many := slices.Repeat([]jobs.Job{d.record(h, "one")}, 600)
	flow := jobs.Chain(d.record(h, "first"), jobs.BatchOf(many))
	if got := flow.String(); got != "first → (one ×600)" {
		t.Errorf("reads %q", got)
	}
	h.Work("q")
	h.AwaitFlow(h.Start(flow), "done")
	assertAudit(t, h)
}

func TestCancelLetsWhatRunsEndThenUndoes(t *testing.T) {
	h, d := jobstest.New(t), &diary{}
	running, goOn := make(chan struct{}), make(chan struct{})
	slow := handle(h, "slow", func(ctx context.Context, a *jobs.Attempt) error {
		close(running)
		<-goOn
		cancelled, err := a.Cancelled(ctx)
		d.add("slow sees cancelled=%v %v", cancelled, err)
		return a.Done(ctx, nil)
	})
	undo := handle(h, "undo", func(_ context.Context, a *jobs.Attempt) error {
		d.add("undo because %s", a.Cause)
		return nil
	})
	h.Work("q")
	subject := h.Start(jobs.Chain(slow, d.record(h, "next")).Catch(undo))
	<-running
	for _, want := range []bool{true, false} { // a second cancel finds nothing to cancel
		cancel(t, h, subject, want)
	}
	close(goOn)
	v := h.AwaitFlow(subject, "cancelled")
	if got, want := d.String(), "slow sees cancelled=true <nil>, undo because cancelled"; got != want {
		t.Errorf("ran %q, want %q", got, want)
	}
	if got, want := outline(v), "main slow:done; main next:skipped; catch undo:done"; got != want {
		t.Errorf("stages %q, want %q", got, want)
	}
}

func cancel(t *testing.T, h *jobstest.Harness, subject uuid.UUID, want bool) {
	t.Helper()
	err := h.DB.Tx(t.Context(), func(tx *db.Tx) error {
		found, err := h.Client.Cancel(tx, subject)
		if found != want {
			t.Errorf("cancel found a running flow: %v, want %v", found, want)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestCancelReachesAJobThatReleasedItself(t *testing.T) {
	h, d := jobstest.New(t), &diary{}
	wait := handle(h, "wait", func(context.Context, *jobs.Attempt) error { return jobs.Release(time.Hour, "no trip") })
	h.Work("q")
	subject := h.Start(jobs.Chain(wait).Catch(d.record(h, "undo")))
	h.Await("released once", func() bool { return h.Events()["wait released"] == 1 })
	cancel(t, h, subject, true)
	if got := outline(h.AwaitFlow(subject, "cancelled")); got != "main wait:skipped; catch undo:done" {
		t.Errorf("stages %q", got)
	}
}

func TestUndoRunsTheCatchChainOfAFlowThatSucceeded(t *testing.T) {
	h, d := jobstest.New(t), &diary{}
	h.Work("q")
	subject := h.Start(jobs.Chain(d.record(h, "a")).Catch(d.record(h, "undo")))
	h.AwaitFlow(subject, "done")
	for _, want := range []bool{true, false} {
		err := h.DB.Tx(t.Context(), func(tx *db.Tx) error {
			found, err := h.Client.Undo(tx, subject)
			if found != want {
				t.Errorf("undo found a flow: %v, want %v", found, want)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := outline(h.AwaitFlow(subject, "cancelled")); got != "main a:done; catch undo:done" || d.String() != "a, undo" {
		t.Errorf("stages %q, ran %q", got, d)
	}
}

func TestWakeRunsWhatWaits(t *testing.T) {
	h := jobstest.New(t)
	var open atomic.Bool
	wait := handle(h, "wait", func(context.Context, *jobs.Attempt) error {
		if !open.Load() {
			return jobs.Release(time.Hour, "no trip")
		}
		return nil
	})
	h.Work("q")
	subject := h.Start(jobs.Chain(wait))
	h.Await("released once", func() bool { return h.Events()["wait released"] == 1 })
	open.Store(true)
	if n, err := h.Client.Wake(t.Context(), subject); n != 1 || err != nil {
		t.Errorf("woke %d, %v", n, err)
	}
	h.AwaitFlow(subject, "done")
}

// A job that is told to run while it is on its way to waiting must not miss it.
func TestAWakeDuringTheRunIsNotLost(t *testing.T) {
	h := jobstest.New(t)
	var runs atomic.Int32
	subject := make(chan uuid.UUID, 1)
	wait := handle(h, "wait", func(ctx context.Context, a *jobs.Attempt) error {
		if runs.Add(1) > 1 {
			return nil
		}
		if _, err := h.Client.Wake(ctx, <-subject); err != nil {
			t.Error(err)
		}
		return jobs.Release(time.Hour, "no trip")
	})
	h.Work("q")
	id := h.Start(jobs.Chain(wait))
	subject <- id
	h.AwaitFlow(id, "done")
}

func TestSealedArgumentsAreMasked(t *testing.T) {
	h := jobstest.New(t)
	k := step("secret")
	k.Sealed = true
	got := make(chan string, 1)
	jobs.Handle(h.Registry, k, func(_ context.Context, _ *jobs.Attempt, args stepArgs) error {
		got <- args.Name
		return nil
	})
	subject := h.Start(jobs.Chain(k.New(stepArgs{"code 123456"})))
	var stored string
	if err := h.DB.Read(t.Context()).Raw("SELECT args FROM jobs").Scan(&stored).Error; err != nil {
		t.Fatal(err)
	}
	if stored == "" || strings.Contains(stored, "123456") {
		t.Errorf("stored in the clear: %q", stored)
	}
	h.Work("q")
	h.AwaitFlow(subject, "done")
	if name := <-got; name != "code 123456" {
		t.Errorf("handler got %q", name)
	}
}

func TestPeriodicJobsBeginOnceASlot(t *testing.T) {
	h := jobstest.New(t)
	var runs atomic.Int32
	job := handle(h, "tick", func(context.Context, *jobs.Attempt) error {
		runs.Add(1)
		return nil
	})
	cfg := jobstest.Config("q")
	cfg.Periodic = []jobs.Periodic{{Every: 100 * 365 * 24 * time.Hour, Job: jobs.Same(job)}}
	h.WorkWith(cfg)
	h.WorkWith(cfg)
	h.Await("the slot's job ran", func() bool { return runs.Load() == 1 })
	var n int64
	if err := h.DB.Read(t.Context()).Table("jobs").Count(&n).Error; err != nil || n != 1 {
		t.Errorf("%d jobs written for one slot, %v", n, err)
	}
}

func assertAudit(t *testing.T, h *jobstest.Harness) {
	t.Helper()
	for _, rule := range []func(context.Context) ([]string, error){h.Client.StuckFlows, h.Client.BatchCounts} {
		if lines, err := rule(t.Context()); len(lines) > 0 || err != nil {
			t.Errorf("audit: %v, %v", lines, err)
		}
	}
}

func TestASkipSaysSo(t *testing.T) {
	h := jobstest.New(t)
	skip := handle(h, "skip", func(context.Context, *jobs.Attempt) error { return jobs.Skip("nobody asked") })
	h.Work("q")
	v := h.AwaitFlow(h.Start(jobs.Chain(skip)), "done")
	if got := v.Stages[0].Jobs[0].Note; got != "skipped: nobody asked" {
		t.Errorf("note %q", got)
	}
	h.Await("its event says so too", func() bool { return h.Events()["skip skipped"] == 1 })
}
