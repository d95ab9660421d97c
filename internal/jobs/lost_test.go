package jobs_test

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/hibiken/asynq"
	"pgregory.net/rapid"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
)

// TestFlowsSurviveALostRedis runs random flows on two workers at a time, beside
// each other and with real failures: Redis is emptied again and again, and jobs
// are delivered twice. What depends on the order of events is not foretold here,
// as it is in TestFlowsDoAsTheModelSays, but what must hold in any order is.
func TestFlowsSurviveALostRedis(t *testing.T) {
	const flows = 40
	seed := rand.Int()
	t.Logf("seed %d", seed)
	h := jobstest.New(t)
	l := &lostRun{effects: map[int]int{}, m: &model{jobs: map[int]*mJob{}}, batches: map[int]*mBatch{}}
	k := modelKind
	k.Backoff = jobs.Fixed(10 * time.Millisecond)
	jobs.Handle(h.Registry, k, l.handle)
	var subjects []uuid.UUID
	for n := range flows {
		flow := rapid.Custom(func(rt *rapid.T) jobs.Flow {
			_, f := (&modelRun{T: rt, m: l.m, batches: l.batches}).flow(2)
			return f
		}).Example(seed + n)
		subjects = append(subjects, h.Start(flow))
	}
	h.Work("q")
	h.Work("q")
	client := asynq.NewClientFromRedisClient(h.System.Redis())
	for range 3 {
		if err := h.System.Redis().FlushDB(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		l.deliverAgain(t, h, client)
		seen := len(h.Events())
		h.Await("the workers go on", func() bool { return len(h.Events()) > seen || over(t, h) })
	}
	h.Await("all flows have ended", func() bool { return over(t, h) })
	for _, s := range subjects {
		if v := h.Flow(s); v.State != "done" && v.State != "failed" && v.State != "cancelled" {
			t.Errorf("flow %s ends as %s", v.Text, v.State)
		}
	}
	assertAudit(t, h)
	l.check(t, h)
}

// over reports whether no job is to be run any more.
func over(t *testing.T, h *jobstest.Harness) bool {
	var n int
	if err := h.DB.Read(t.Context()).Raw("SELECT COUNT(*) FROM jobs WHERE state = 'ready'").Scan(&n).Error; err != nil {
		t.Fatal(err)
	}
	return n == 0
}

type lostRun struct {
	mu      sync.Mutex
	m       *model // the scripts; it is not run
	batches map[int]*mBatch
	effects map[int]int // committed, by job
}

func (l *lostRun) handle(ctx context.Context, a *jobs.Attempt, args modelArgs) error {
	if args.On != "" {
		return nil
	}
	l.mu.Lock()
	j := l.m.jobs[args.N]
	outcome := "ok"
	if j.ran < len(j.script) {
		outcome = j.script[j.ran]
	}
	j.ran++
	l.mu.Unlock()
	switch outcome {
	case "err":
		return errors.New("not today")
	case "panic":
		panic("ouch")
	case "fail":
		return jobs.Fail(errors.New("never"))
	case "release":
		return jobs.Release(10*time.Millisecond, "later")
	}
	return a.Done(ctx, func(tx *db.Tx) error {
		tx.After(func() {
			l.mu.Lock()
			l.effects[args.N]++
			l.mu.Unlock()
		})
		switch outcome {
		case "cancel":
			_, err := a.CancelFlow(tx)
			return err
		case "add":
			if j.batch == nil {
				return nil
			}
			members := make([]jobs.Member, len(j.adds))
			for i, added := range j.adds {
				members[i] = modelKind.New(modelArgs{N: added.n})
			}
			_, err := a.Add(tx, members...)
			return err
		}
		return nil
	})
}

// deliverAgain puts jobs into Redis that may be there, running or over.
func (l *lostRun) deliverAgain(t *testing.T, h *jobstest.Harness, client *asynq.Client) {
	var rows []struct {
		ID         uuid.UUID
		Generation string
	}
	if err := h.DB.Read(t.Context()).Raw("SELECT id, generation FROM jobs WHERE state IN ('ready', 'done')").Scan(&rows).Error; err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		_, err := client.Enqueue(asynq.NewTask("model", []byte(r.ID.String()+":"+r.Generation)), asynq.Queue("q"))
		if err != nil {
			t.Fatal(err)
		}
	}
}

// check compares what was recorded with what came of it.
func (l *lostRun) check(t *testing.T, h *jobstest.Harness) {
	var rows []struct {
		State, Branch, Args string
		BatchID             uuid.NullUUID
	}
	if err := h.DB.Read(t.Context()).Raw("SELECT state, branch, args, batch_id FROM jobs").Scan(&rows).Error; err != nil {
		t.Fatal(err)
	}
	fired := map[uuid.UUID]map[string]int{}
	for _, r := range rows {
		var args modelArgs
		if err := json.Unmarshal([]byte(r.Args), &args); err != nil {
			t.Fatal(err)
		}
		if r.Branch == "callback" {
			if fired[r.BatchID.UUID] == nil {
				fired[r.BatchID.UUID] = map[string]int{}
			}
			fired[r.BatchID.UUID][args.On]++
			continue
		}
		want := 0
		if r.State == "done" {
			want = 1
		}
		if l.effects[args.N] != want {
			t.Errorf("job %d is %s and had %d effects", args.N, r.State, l.effects[args.N])
		}
	}
	var batches []struct {
		ID                              uuid.UUID
		Total, Pending, Failed, Skipped int
		AllowFailures                   bool
		FinishedAt                      *time.Time
	}
	if err := h.DB.Read(t.Context()).Raw("SELECT * FROM job_batches").Scan(&batches).Error; err != nil {
		t.Fatal(err)
	}
	for _, b := range batches {
		one := map[bool]int{true: 1}
		ended := b.FinishedAt != nil
		want := map[string]int{
			"then": one[ended && b.Failed+b.Skipped == 0], "finally": one[ended], "catch": one[b.Failed > 0],
		}
		if b.AllowFailures {
			want["catch"] = b.Failed
		}
		for on, n := range want {
			if got := fired[b.ID][on]; got != n {
				t.Errorf("batch %+v started its %s callback %d times, want %d", b, on, got, n)
			}
		}
		if ended && fired[b.ID]["progress"] == 0 {
			t.Errorf("batch %+v showed no progress", b)
		}
	}
}
