package jobs_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/uuid"
	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/db/dbtest"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
)

// lostAcks has Redis fail whenever asynq reports a task as completed. While the
// answer is lost only, Redis has heard.
type lostAcks struct {
	on     atomic.Bool
	answer bool
	lost   atomic.Int32
}

var errCut = errors.New("connection reset by peer")

// isAck knows asynq's script that moves a task to the completed ones: its third
// key is where they are.
func isAck(cmd redis.Cmder) bool {
	args := cmd.Args()
	if len(args) < 6 {
		return false
	}
	key, ok := args[5].(string)
	return ok && strings.HasSuffix(key, ":completed")
}

func (l *lostAcks) lose(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		var rest, acks []redis.Cmder
		for _, cmd := range cmds {
			if l.on.Load() && isAck(cmd) {
				acks = append(acks, cmd)
			} else {
				rest = append(rest, cmd)
			}
		}
		if l.answer {
			rest = cmds
		}
		var err error
		if len(rest) > 0 {
			err = next(ctx, rest)
		}
		for _, cmd := range acks {
			// A server that lacks the script is asked again with its text.
			if !redis.HasErrorPrefix(cmd.Err(), "NOSCRIPT") {
				cmd.SetErr(errCut)
				l.lost.Add(1)
			}
		}
		return err
	}
}

// asynq's acknowledgement comes after the commit and may fail: the task stays
// active and is delivered again once its worker is dead.
func TestALostAcknowledgementIsNoSecondEffect(t *testing.T) {
	t.Parallel()
	h := jobstest.New(t)
	e := newEffects(t, h)
	acks := &lostAcks{}
	acks.on.Store(true)
	h.System.Redis().AddHook(between(acks.lose))
	stop := h.Work("q")
	subject := h.Start(jobs.Chain(e.job("a"), e.job("b")))
	h.AwaitFlow(subject, "done")
	job := onlyJob(h, subject)
	h.Await("both acknowledgements were lost", func() bool { return acks.lost.Load() >= 2 })
	stop()
	if info := task(t, h, job); info.State != asynq.TaskStateActive {
		t.Fatalf("the task is %s, want active: the fault did not happen", info.State)
	}
	acks.on.Store(false)
	expireLease(t, h, job)
	h.Work("q")
	h.Await("delivered again and acknowledged", func() bool {
		info := task(t, h, job)
		return info.State == asynq.TaskStateCompleted && info.Retried == 1
	})
	e.check(t, 2)
	if n := h.Events()["a started"]; n != 1 {
		t.Errorf("the handler ran %d times, want once: the database knew", n)
	}
}

// Here Redis has heard the acknowledgement and asynq does not know.
func TestALostAnswerToAnAcknowledgementIsHarmless(t *testing.T) {
	h := jobstest.New(t)
	e := newEffects(t, h)
	acks := &lostAcks{answer: true}
	acks.on.Store(true)
	h.System.Redis().AddHook(between(acks.lose))
	stop := h.Work("q")
	subject := h.Start(jobs.Chain(e.job("a"), e.job("b")))
	h.AwaitFlow(subject, "done")
	h.Await("both answers were lost", func() bool { return acks.lost.Load() >= 2 })
	if info := task(t, h, onlyJob(h, subject)); info.State != asynq.TaskStateCompleted {
		t.Errorf("the task is %s, want completed", info.State)
	}
	stop()
	e.check(t, 2)
}

// startMany starts n flows of three jobs each.
func startMany(h *jobstest.Harness, e effects, n int) (subjects []uuid.UUID) {
	flow := jobs.Chain(e.job("a"), jobs.Batch(e.job("b"), e.job("c")))
	for range n {
		subjects = append(subjects, h.Start(flow))
	}
	return subjects
}

func TestRedisIsEmptiedInTheMiddleOfManyFlows(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, s *server) {
		h := jobstest.On(t, dbtest.Open(t), s.conn)
		e := newEffects(t, h)
		var runs atomic.Int32
		reached, goOn := make(chan struct{}), make(chan struct{})
		h.Registry.Use(func(next jobs.Handler) jobs.Handler {
			return func(ctx context.Context, a *jobs.Attempt) error {
				if n := runs.Add(1); n == 40 {
					close(reached)
				} else if n < 40 {
					return next(ctx, a)
				}
				<-goOn
				return next(ctx, a)
			}
		})
		h.Work("q")
		subjects := startMany(h, e, 50)
		<-reached
		rdb := h.System.Redis()
		h.Await("others wait in Redis", func() bool { return rdb.LLen(t.Context(), "asynq:{q}:pending").Val() > 20 })
		if err := rdb.FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		close(goOn)
		for _, subject := range subjects {
			h.AwaitFlow(subject, "done")
		}
		e.check(t, 3*50)
		assertAudit(t, h)
	})
}

// refused counts the jobs that Redis did not take.
type refused struct{ n atomic.Int32 }

func (r *refused) count(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		err := next(ctx, cmds)
		for _, cmd := range cmds {
			if cmd.Err() == nil {
				continue
			}
			for _, arg := range cmd.Args() { // the scripts that put tasks into a queue name the tasks' keys
				if key, ok := arg.(string); ok && strings.HasPrefix(key, "asynq:{q}:t:") {
					r.n.Add(1)
				}
			}
		}
		return err
	}
}

func TestRedisIsDownWhileFlowsAreStarted(t *testing.T) {
	t.Parallel()
	onServers(t, func(t *testing.T, s *server) {
		h := jobstest.On(t, dbtest.Open(t), s.conn)
		e := newEffects(t, h)
		h.Work("q")
		flow := jobs.Chain(jobs.Batch(e.job("a"), e.job("b")), e.job("c"))
		h.AwaitFlow(h.Start(flow), "done")
		s.die()
		if h.System.Redis().Ping(t.Context()).Err() == nil {
			t.Fatal("Redis still answers")
		}
		subjects := make([]uuid.UUID, 0, 100)
		lost := &refused{}
		h.System.Redis().AddHook(between(lost.count))
		for range 100 {
			subjects = append(subjects, h.Start(flow))
		}
		h.Await("Redis has taken none of the first jobs", func() bool { return lost.n.Load() >= 200 })
		s.start()
		for _, subject := range subjects {
			h.AwaitFlow(subject, "done")
		}
		e.check(t, 3*101)
		assertAudit(t, h)
	})
}

// asynq's unique locks have a time to live, and a job that takes longer is not
// unique any more. Ours end with the job.
func TestAUniqueJobStaysUniqueHoweverLongItRuns(t *testing.T) {
	m := miniredis.RunT(t)
	client := asynq.NewClient(asynq.RedisClientOpt{Addr: m.Addr()})
	defer func() { _ = client.Close() }()
	for i, want := range []error{nil, asynq.ErrDuplicateTask, nil} { // the third is the fault
		if i == 2 {
			m.FastForward(2 * time.Minute)
		}
		if _, err := client.Enqueue(asynq.NewTask("report", nil), asynq.Unique(time.Minute)); !errors.Is(err, want) {
			t.Fatalf("asynq, job %d: %v, want %v", i+1, err, want)
		}
	}

	h := jobstest.NewSync(t)
	k := step("report")
	k.Unique = func(args stepArgs) string { return args.Name }
	runs := 0
	jobs.Handle(h.Registry, k, func(context.Context, *jobs.Attempt, stepArgs) error {
		runs++
		h.Clock.Advance(365 * 24 * time.Hour)
		h.Dispatch(k.New(stepArgs{"march"}))
		return nil
	})
	h.Dispatch(k.New(stepArgs{"march"}))
	h.Drain()
	if runs != 1 {
		t.Errorf("ran %d times, want once: the second came while the first ran", runs)
	}
	h.Dispatch(k.New(stepArgs{"march"}))
	jobstest.AssertKindCount(t, h, "report", 2)
}

// asynq takes a task's id again as soon as the finished task is not kept any more.
func TestAFinishedTasksIDThatIsUsedAgainRunsNothing(t *testing.T) {
	h := jobstest.New(t)
	e := newEffects(t, h)
	h.Work("q")
	subject := h.Start(jobs.Chain(e.job("a")))
	h.AwaitFlow(subject, "done")
	job := onlyJob(h, subject)
	h.Await("completed in Redis too", func() bool { return task(t, h, job).State == asynq.TaskStateCompleted })
	rdb := h.System.Redis()
	again := func() error {
		_, err := asynq.NewClientFromRedisClient(rdb).Enqueue(asynq.NewTask("a", []byte(job.String()+":0")),
			asynq.TaskID(job.String()+":0"), asynq.Queue("q"), asynq.Retention(time.Hour), asynq.MaxRetry(7))
		return err
	}
	if err := again(); !errors.Is(err, asynq.ErrTaskIDConflict) {
		t.Fatalf("while it is kept: %v, want a conflict", err)
	}
	if err := asynq.NewInspectorFromRedisClient(rdb).DeleteTask("q", job.String()+":0"); err != nil { // as when its time is over
		t.Fatal(err)
	}
	if err := again(); err != nil {
		t.Fatalf("afterwards: %v; the fault did not happen", err)
	}
	h.Await("the second task of that id is completed", func() bool {
		info := task(t, h, job)
		return info.State == asynq.TaskStateCompleted && info.MaxRetry == 7
	})
	e.check(t, 1)
	if n := h.Events()["a started"]; n != 1 {
		t.Errorf("the handler ran %d times, want once", n)
	}
}

// A failed job that is taken up again has another task id, and the old one does
// not count any more.
func TestADeliveryOfBeforeARetryRunsNothing(t *testing.T) {
	h := jobstest.New(t)
	e := newEffects(t, h)
	var mended atomic.Bool
	job := handle(h, "a", func(ctx context.Context, a *jobs.Attempt) error {
		if !mended.Load() {
			return jobs.Fail(errors.New("broken"))
		}
		return a.Done(ctx, func(tx *db.Tx) error { return e.record(tx, a) })
	})
	stop := h.Work("q")
	subject := h.Start(jobs.Chain(job))
	h.AwaitFlow(subject, "failed")
	id := onlyJob(h, subject)
	h.Await("archived in Redis too", func() bool { return task(t, h, id).State == asynq.TaskStateArchived })
	stop()
	mended.Store(true)
	if err := h.System.Admin().Retry(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if err := asynq.NewInspectorFromRedisClient(h.System.Redis()).RunTask("q", id.String()+":0"); err != nil { // an operator does, in asynqmon
		t.Fatal(err)
	}
	h.Work("q")
	h.AwaitFlow(subject, "done")
	h.Await("both deliveries have ended", func() bool { return task(t, h, id).State == asynq.TaskStateCompleted })
	e.check(t, 1)
	if n := h.Events()["a started"]; n != 2 {
		t.Errorf("the handler ran %d times, want twice", n)
	}
}

// A worker that looked by itself only would take up to a minute here. The jobs
// are started by another system, as by another process.
func TestAnIdleWorkerStartsAJobAtOnce(t *testing.T) {
	h := jobstest.New(t)
	e := newEffects(t, h)
	cfg := jobstest.Config("q")
	cfg.PollInterval, cfg.SweepInterval = time.Minute, time.Hour
	h.WorkWith(cfg)
	job := e.job("a")
	elsewhere := jobstest.On(t, h.DB, h.Redis)
	for n := range 5 {
		began := time.Now()
		subject := elsewhere.Start(jobs.Chain(job, job, job))
		h.AwaitFlow(subject, "done")
		// The first may come before the worker listens.
		if took := time.Since(began); n > 0 && took > cfg.PollInterval/3 {
			t.Errorf("flow %d took %s on an idle worker", n+1, took)
		}
	}
	e.check(t, 15)
}
