package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/hibiken/asynq"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/fault"
	"github.com/spotpool/spotpool/internal/logs"
)

// WorkerConfig says how a worker process runs.
type WorkerConfig struct {
	Queues          map[string]int // name and weight: how often a queue is asked first
	Concurrency     int            // jobs at a time
	PollInterval    time.Duration  // between looks at empty queues; asynq's default of 1 s would dominate latency
	DelayedInterval time.Duration  // between looks for delayed jobs that have come due
	SweepInterval   time.Duration  // between comparisons of the database with Redis
	StopTimeout     time.Duration  // how long running jobs may go on when the worker stops
	Periodic        []Periodic     // jobs begun by the clock
	Observe         func(Event)    // told of every attempt once it is recorded; must not block; may be nil
}

// Event says what became of one attempt.
type Event struct {
	JobID  uuid.UUID
	Kind   string
	Result string // done, released, woken, retried, failed, put_off
	Took   time.Duration
}

// Worker runs jobs until it is stopped.
type Worker struct {
	core     *core
	registry *Registry
	cfg      WorkerConfig
	sys      *System
	metrics  *Metrics
	log      *slog.Logger
}

// Run processes jobs until ctx is over, then lets what runs end within the stop
// timeout and puts the rest back. It goes on while Redis is away.
func (w *Worker) Run(ctx context.Context) error {
	srv := asynq.NewServerFromRedisClient(w.sys.redis, w.serverConfig())
	if err := srv.Start(asynq.HandlerFunc(w.process)); err != nil {
		return err
	}
	var wg sync.WaitGroup
	wg.Go(func() { w.sweepLoop(ctx) })
	wg.Go(func() { w.periodicLoop(ctx) })
	<-ctx.Done()
	srv.Shutdown()
	wg.Wait()
	return nil
}

func (w *Worker) serverConfig() asynq.Config {
	return asynq.Config{
		Concurrency:              w.cfg.Concurrency,
		Queues:                   w.cfg.Queues,
		TaskCheckInterval:        w.cfg.PollInterval,
		DelayedTaskCheckInterval: w.cfg.DelayedInterval,
		ShutdownTimeout:          w.cfg.StopTimeout,
		IsFailure:                isFailure,
		RetryDelayFunc:           retryDelay,
		Logger:                   asynqLog{w.log},
		LogLevel:                 asynq.ErrorLevel, // of single tasks, report says more
	}
}

// outcome is what a run tells asynq: it moves the task to Retry or Archived and
// shows the true error there. The decision was made, and recorded, before.
type outcome struct {
	error
	after   time.Duration
	failure bool // counts as a failure in asynq's figures
	final   bool // no further attempt
}

// Error is clipped: asynq stores it in a message that takes no other text than UTF-8.
func (o *outcome) Error() string { return clip(o.error.Error()) }

func (o *outcome) Unwrap() error { return o.error }

// Is makes asynq archive the task of a job that has failed for good.
func (o *outcome) Is(target error) bool { return o.final && target == asynq.SkipRetry }

func isFailure(err error) bool {
	var o *outcome
	if errors.As(err, &o) {
		return o.failure
	}
	return !errors.Is(err, context.Canceled) // an operator's cancel costs no attempt
}

func retryDelay(_ int, err error, _ *asynq.Task) time.Duration {
	var o *outcome
	if errors.As(err, &o) {
		return o.after
	}
	return time.Second // asynq's own reasons: the worker died or stopped
}

// process runs one delivery.
func (w *Worker) process(ctx context.Context, task *asynq.Task) error {
	id, generation, err := parsePayload(task.Payload())
	if err != nil {
		return &outcome{error: err, failure: true, final: true}
	}
	retried, _ := asynq.GetRetryCount(ctx)
	for {
		row, err := w.core.load(ctx, id)
		if errors.Is(err, db.ErrNotFound) {
			return nil
		}
		if err != nil {
			return postponed(err)
		}
		if row.State != jobReady || row.Generation != generation {
			return nil // a delivery too many: the job has ended, or was started anew
		}
		err = w.runOnce(ctx, row, retried)
		if errors.Is(err, errWoken) {
			continue
		}
		return err
	}
}

// errWoken says that a job was told to run now while it was releasing itself.
var errWoken = errors.New("woken")

// postponed is the outcome of a run of which nothing could be recorded.
func postponed(err error) error {
	return &outcome{error: fmt.Errorf("put off: %w", err), after: 2 * time.Second}
}

func (w *Worker) runOnce(ctx context.Context, row *jobRow, retried int) error {
	ctx = logs.With(ctx, slog.String("job_id", row.ID.String()), slog.String("kind", row.Kind))
	if row.FlowID.Valid {
		ctx = logs.With(ctx, slog.String("flow_id", row.FlowID.UUID.String()))
	}
	k, ok := w.registry.kinds[row.Kind]
	if !ok {
		return &outcome{error: fmt.Errorf("this worker does not know the kind %q", row.Kind), after: 30 * time.Second}
	}
	// asynq counts the runs that ended without a word, because the worker died;
	// the database counts those that said what went wrong.
	number := max(row.Attempts, retried) + 1
	a := &Attempt{
		JobID: row.ID, Kind: row.Kind, Queue: row.Queue, Number: number, Cause: row.FlowCause,
		Flow: row.FlowID, row: row, core: w.core,
	}
	began := time.Now()
	var err error
	switch {
	case row.FlowID.Valid && row.Branch == branchMain && row.FlowState != flowRunning:
		rec, cancel := recording(ctx)
		defer cancel()
		return w.recorded(w.core.skip(rec, row))
	case number > k.tries:
		err = Fail(errors.New("the last attempt ended without a word: its worker died"))
		a.Number = k.tries
	default:
		if a.args, err = w.core.args(row); err != nil {
			err = Fail(err)
		} else {
			err = w.call(ctx, k, a)
		}
		if err != nil && ctx.Err() != nil {
			// The worker stops, or an operator cancelled the run: asynq has taken
			// the task back already, and the attempt does not count here.
			return postponed(ctx.Err())
		}
	}
	rec, cancel := recording(ctx)
	defer cancel()
	out := w.settle(rec, k, a, err)
	w.report(ctx, a, out, time.Since(began))
	return out
}

// recordTimeout bounds the recording of an outcome.
const recordTimeout = 30 * time.Second

// recording returns a context for recording an outcome, which must go on when
// the attempt's own time is over.
func recording(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
}

// abandonAfter is how long a handler may go on after its timeout before the
// attempt counts as failed although the handler still runs.
const abandonAfter = 5 * time.Second

// call runs the handler under its kind's timeout.
func (w *Worker) call(ctx context.Context, k *kind, a *Attempt) error {
	ctx, cancel := context.WithTimeout(ctx, k.timeout)
	defer cancel()
	result := make(chan error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				w.log.ErrorContext(ctx, "job panicked", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
				result <- fmt.Errorf("panic: %v", p)
			}
		}()
		result <- k.run(ctx, a)
	}()
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
	}
	patience := time.NewTimer(abandonAfter)
	defer patience.Stop()
	select {
	case err := <-result:
		return err
	case <-patience.C:
		return fmt.Errorf("did not stop %s after its timeout of %s", abandonAfter, k.timeout)
	}
}

// settle records what the handler's answer means and returns what asynq is told.
func (w *Worker) settle(ctx context.Context, k *kind, a *Attempt, err error) error {
	var rel *released
	var fin *failed
	switch {
	case err == nil && a.done.Load():
		return nil
	case err == nil:
		return w.recorded(w.core.complete(ctx, a.row, nil))
	case errors.Is(err, ErrSuperseded):
		return nil
	case errors.As(err, &rel):
		return w.release(ctx, a, rel)
	case errors.As(err, &fin) || a.Number >= k.tries:
		return w.giveUp(ctx, a, err)
	}
	after, recErr := w.core.retryLater(ctx, a.row, a.Number, k.backoff(a.Number), err)
	if recErr != nil {
		return w.recorded(recErr)
	}
	return &outcome{error: err, after: after, failure: true}
}

func (w *Worker) release(ctx context.Context, a *Attempt, rel *released) error {
	err := w.core.release(ctx, a.row, rel.after)
	if errors.Is(err, errWoken) {
		return err
	}
	if err != nil {
		return w.recorded(err)
	}
	return &outcome{error: rel, after: rel.after}
}

func (w *Worker) giveUp(ctx context.Context, a *Attempt, cause error) error {
	if err := w.core.fail(ctx, a.row, a.Number, cause); err != nil {
		return w.recorded(err)
	}
	return &outcome{error: cause, failure: true, final: true}
}

// recorded turns the error of a recording into what asynq is told.
func (w *Worker) recorded(err error) error {
	if err == nil || errors.Is(err, ErrSuperseded) {
		return nil
	}
	return postponed(err)
}

// report logs and counts what became of an attempt.
func (w *Worker) report(ctx context.Context, a *Attempt, err error, took time.Duration) {
	result, level := "done", slog.LevelDebug
	var o *outcome
	var rel *released
	switch {
	case errors.Is(err, errWoken):
		result = "woken"
	case errors.As(err, &o) && o.final:
		result, level = "failed", slog.LevelError
		if fault.KindOf(err) != fault.Internal {
			level = slog.LevelInfo // a rule said no, such as a declined payment
		}
	case errors.As(err, &o) && o.failure:
		result, level = "retried", slog.LevelWarn
	case errors.As(err, &rel):
		result = "released"
	case err != nil:
		result, level = "put_off", slog.LevelWarn
	}
	w.metrics.observe(a.Kind, result, took)
	if w.cfg.Observe != nil {
		defer w.cfg.Observe(Event{a.JobID, a.Kind, result, took})
	}
	attrs := []any{"result", result, "attempt", a.Number, "took", took.Round(time.Microsecond)}
	if err != nil {
		attrs = append(attrs, "err", err)
	}
	w.log.Log(ctx, level, "job", attrs...)
}

// asynqLog passes asynq's own messages to slog.
type asynqLog struct{ log *slog.Logger }

func (l asynqLog) Debug(args ...any) { l.log.Debug(fmt.Sprint(args...)) }
func (l asynqLog) Info(args ...any)  { l.log.Info(fmt.Sprint(args...)) }
func (l asynqLog) Warn(args ...any)  { l.log.Warn(fmt.Sprint(args...)) }
func (l asynqLog) Error(args ...any) { l.log.Error(fmt.Sprint(args...)) }
func (l asynqLog) Fatal(args ...any) { l.log.Error(fmt.Sprint(args...)) }
