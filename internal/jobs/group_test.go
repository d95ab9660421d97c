package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
)

// A job that was taken up again ends together with the stage that its flow has
// reached meanwhile.
func TestTwoStagesOfAFlowEndInOneGroup(t *testing.T) {
	h := jobstest.NewSync(t)
	a := handle(h, "a", func(context.Context, *jobs.Attempt) error { return jobs.Fail(errors.New("no")) })
	b := handle(h, "b", func(context.Context, *jobs.Attempt) error { return nil })
	c := handle(h, "c", func(context.Context, *jobs.Attempt) error { return jobs.Release(time.Hour, "later") })
	subject := h.Start(jobs.Chain(jobs.Batch(a, b).AllowFailures(), c))
	h.Drain()
	v := h.Flow(subject)
	first, last := v.Stages[0].Jobs[0].ID, v.Stages[1].Jobs[0].ID
	if err := h.System.Admin().Retry(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	if told, err := h.System.EndTogether(t.Context(), nil, first, last); errors.Join(append(told, err)...) != nil {
		t.Fatal(told, err)
	}
	if v := h.Flow(subject); v.State != "done" {
		t.Errorf("the flow is %s: %s", v.State, outline(v))
	}
	assertAudit(t, h)
}

// An effect that fails, or panics, undoes what the group did; each is tried by
// itself then, and the others are recorded, once.
func TestEffectsThatAreRecordedTogether(t *testing.T) {
	for _, c := range []struct {
		name  string
		bad   func() error
		runs  int // of a good effect
		tells string
	}{
		{"all succeed", func() error { return nil }, 1, "<nil>"},
		{"one fails", func() error { return errors.New("no") }, 2, "no"},
		{"one panics", func() error { panic("oh") }, 2, "panic: oh"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := jobstest.NewSync(t)
			waits := handle(h, "waits", func(context.Context, *jobs.Attempt) error { return jobs.Release(time.Hour, "later") })
			mark := handle(h, "mark", func(context.Context, *jobs.Attempt) error { return nil })
			var ids []uuid.UUID
			for range 3 {
				ids = append(ids, h.Flow(h.Start(jobs.Chain(waits))).Stages[0].Jobs[0].ID)
			}
			runs := map[uuid.UUID]int{}
			var mu sync.Mutex
			told, err := h.System.EndTogether(t.Context(), func(tx *db.Tx, id uuid.UUID) error {
				mu.Lock()
				runs[id]++
				mu.Unlock()
				if id == ids[1] {
					if err := c.bad(); err != nil {
						return err
					}
				}
				return h.Client.Dispatch(tx, mark)
			}, ids...)
			if err != nil || told[0] != nil || told[2] != nil || fmt.Sprint(told[1]) != c.tells {
				t.Fatalf("told %v, %v", told, err)
			}
			if runs[ids[0]] != c.runs {
				t.Errorf("the effect of the first ran %d times, want %d", runs[ids[0]], c.runs)
			}
			h.Drain()
			want := 3
			if told[1] != nil {
				want = 2
			}
			if got := h.Events()["mark done"]; got != want {
				t.Errorf("%d effects were recorded, want %d", got, want)
			}
			assertAudit(t, h)
		})
	}
}

// Effects that are given to DoneTogether at the same time are recorded in one
// transaction, sooner or later: the first of them goes alone.
func TestDoneTogetherSharesATransaction(t *testing.T) {
	h := jobstest.New(t)
	var mu sync.Mutex
	effects := map[*db.Tx]int{}
	job := handle(h, "a", func(ctx context.Context, a *jobs.Attempt) error {
		return a.DoneTogether(ctx, func(tx *db.Tx) error {
			mu.Lock()
			defer mu.Unlock()
			effects[tx]++
			return nil
		})
	})
	h.Work("q")
	const some = 20
	h.Await("a transaction has two effects", func() bool {
		all := h.Events()["a done"] + some
		h.Dispatch(slices.Repeat([]jobs.Job{job}, some)...)
		h.Await("all have ended", func() bool { return h.Events()["a done"] == all })
		mu.Lock()
		defer mu.Unlock()
		return slices.Max(slices.Collect(maps.Values(effects))) > 1
	})
}

func TestUndoLeavesAnOlderFlowAlone(t *testing.T) {
	h := jobstest.NewSync(t)
	done := handle(h, "done", func(context.Context, *jobs.Attempt) error { return nil })
	waits := handle(h, "waits", func(context.Context, *jobs.Attempt) error { return jobs.Release(time.Hour, "later") })
	subject := jobs.Subject{Kind: "test", ID: uuid.Must(uuid.NewV7())}
	for _, j := range []jobs.Job{done, waits} {
		err := h.DB.Tx(t.Context(), func(tx *db.Tx) error {
			_, err := h.Client.Start(tx, subject, jobs.Chain(j))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		h.Drain()
	}
	err := h.DB.Tx(t.Context(), func(tx *db.Tx) error {
		found, err := h.Client.Undo(tx, subject.ID)
		if found {
			t.Error("undone although the newest flow is running")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// What a worker has no slot for stays in the queue, for others.
func TestAWorkerTakesNoMoreThanItHasSlotsFor(t *testing.T) {
	h := jobstest.New(t)
	var running atomic.Int32
	goOn := make(chan struct{})
	job := handle(h, "long", func(context.Context, *jobs.Attempt) error {
		running.Add(1)
		<-goOn
		return nil
	})
	h.Dispatch(slices.Repeat([]jobs.Job{job}, 20)...)
	active := func() (active, pending int64) {
		q, err := h.System.Admin().Queues(t.Context(), "q")
		if err != nil {
			t.Fatal(err)
		}
		return q[0].Active, q[0].Pending
	}
	h.Await("all in Redis", func() bool { _, pending := active(); return pending == 20 })
	cfg := jobstest.Config("q")
	cfg.Concurrency = 3
	h.WorkWith(cfg)
	h.Await("three run", func() bool { return running.Load() == 3 })
	if active, pending := active(); active != 3 || pending != 17 {
		t.Errorf("%d taken, %d left, want 3 and 17", active, pending)
	}
	close(goOn)
	h.Await("all have run", func() bool { return h.Events()["long done"] == 20 })
}

func TestADelayIsNeverCutShort(t *testing.T) {
	h := jobstest.New(t)
	began := make(chan time.Time, 1)
	job := handle(h, "later", func(context.Context, *jobs.Attempt) error {
		began <- time.Now()
		return nil
	})
	h.Work("q")
	for range 3 {
		const delay = 900 * time.Millisecond
		asked := time.Now()
		h.Dispatch(job.In(delay))
		if waited := (<-began).Sub(asked); waited < delay {
			t.Errorf("put off by %s, began after %s", delay, waited)
		}
	}
}
