package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/hibiken/asynq"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/fault"
	"github.com/spotpool/spotpool/internal/logs"
)

// outcome is what a run tells asynq: it moves the task to Retry or Archived and
// shows the true error there. The decision was made, and recorded, before.
type outcome struct {
	error
	after   time.Duration // by the wall's clock, which asynq goes by
	failure bool          // counts as a failure in asynq's figures
	final   bool          // no further attempt
}

// recorded reports whether the database knows of the run.
func (o *outcome) recorded() bool { return o.final || o.failure || IsRelease(o.error) }

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
	w.running.Add(1)
	defer w.running.Add(-1)
	handled := w.slots.begin()
	defer func() { handled() }()
	id, generation, err := parsePayload(task.Payload())
	if err != nil {
		return &outcome{error: err, failure: true, final: true}
	}
	retried, _ := asynq.GetRetryCount(ctx)
	for {
		row, err := w.load(ctx, string(task.Payload()), id)
		if errors.Is(err, db.ErrNotFound) {
			return nil
		}
		if err != nil {
			return postponed(err)
		}
		if row.State != jobReady || row.Generation != generation {
			return nil // a delivery too many: the job has ended, or was started anew
		}
		if early := w.wall(row.DueAt.Sub(w.core.clock.Now())); early > 0 && early < redisTick {
			handled()
			pause(ctx, early)
			handled = w.slots.again()
		}
		row.handled = handled
		err = w.runOnce(ctx, row, retried)
		if !errors.Is(err, errWoken) {
			return err
		}
		handled()
		handled = w.slots.again()
	}
}

// load reads the job of a task, unless that was done ahead.
func (w *Worker) load(ctx context.Context, task string, id uuid.UUID) (*jobRow, error) {
	if row := w.ahead.take(task, id); row != nil {
		return row, nil
	}
	return w.core.load(ctx, id)
}

// redisTick is the unit in which asynq keeps the times of tasks that are put off.
// It cuts them, so that a task comes up to so much early.
const redisTick = time.Second

// wall returns how long a duration of the application's time takes by the wall's clock.
func (w *Worker) wall(d time.Duration) time.Duration { return clock.Wall(w.core.clock, d) }

// pause waits, unless ctx is over before.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// errWoken says that a job was told to run now while it was releasing itself.
var errWoken = errors.New("woken")

// postponed is the outcome of a run of which nothing could be recorded.
func postponed(err error) error {
	return &outcome{error: fmt.Errorf("put off: %w", err), after: 2 * time.Second}
}

// runOnce makes one attempt of a job, records what it came to and returns what
// asynq is told.
func (w *Worker) runOnce(ctx context.Context, row *jobRow, retried int) error {
	_, out := w.tryOnce(ctx, row, retried)
	return out
}

// tryOnce is runOnce that also returns what the handler said.
func (w *Worker) tryOnce(ctx context.Context, row *jobRow, retried int) (said, out error) {
	ctx = logs.With(ctx, row.attrs()...)
	k, ok := w.registry.kinds[row.Kind]
	if !ok {
		return nil, w.unknown(ctx, row)
	}
	if row.inMain() && stopped(row.FlowState) {
		err := w.core.conclude(ctx, &ending{row: row, state: jobSkipped})
		w.core.tell(Event{JobID: row.ID, Kind: row.Kind, Queue: row.Queue, Flow: row.FlowID, Result: "skipped"})
		return nil, w.recorded(err)
	}
	// asynq counts the runs that ended without a word, because the worker died;
	// the database counts those that said what went wrong.
	a := w.core.newAttempt(row, max(row.Attempts, retried)+1)
	began := time.Now()
	said = w.attempt(ctx, k, a)
	if said != nil && ctx.Err() != nil {
		// The worker stops, or an operator cancelled the run: asynq has taken
		// the task back already, and the attempt does not count here.
		return said, postponed(ctx.Err())
	}
	if row.handled != nil {
		row.handled()
	}
	out = w.settle(ctx, k, a, said)
	w.report(ctx, a, said, out, time.Since(began))
	return said, out
}

// attrs are what log lines about the job carry.
func (r *jobRow) attrs() []slog.Attr {
	attrs := append(make([]slog.Attr, 0, 4), slog.String("job_id", r.ID.String()), slog.String("kind", r.Kind))
	if r.FlowID.Valid {
		attrs = append(attrs, slog.String("flow_id", r.FlowID.UUID.String()))
	}
	if r.Tags != "" {
		attrs = append(attrs, slog.String("tags", r.Tags))
	}
	return attrs
}

// unknown puts off a job that this worker has no handler for: another may, as
// while a newer version of the program is rolled out.
func (w *Worker) unknown(ctx context.Context, row *jobRow) error {
	err := unknownKind(row.Kind)
	w.log.WarnContext(ctx, "job put off", "err", err)
	w.core.tell(Event{JobID: row.ID, Kind: row.Kind, Queue: row.Queue, Flow: row.FlowID, Result: "put_off", Err: err})
	_ = w.core.release(ctx, row, clock.App(w.core.clock, unknownPause)) // so that the sweep lets it wait
	return &outcome{error: err, after: unknownPause}
}

const unknownPause = 30 * time.Second

func unknownKind(name string) error { return fmt.Errorf("this worker does not know the kind %q", name) }

// attempt calls the handler, unless the job may not be tried any more.
func (w *Worker) attempt(ctx context.Context, k *kind, a *Attempt) (err error) {
	switch {
	case a.row.RetryUntil != nil && !w.core.clock.Now().Before(*a.row.RetryUntil):
		return Fail(ErrDeadline)
	case a.row.RetryUntil == nil && a.Number > w.tries(k):
		a.Number = w.tries(k)
		return Fail(errors.New("the last attempt ended without a word: its worker died"))
	}
	if a.args, err = w.core.args(a.row); err != nil {
		return Fail(err)
	}
	if a.row.UniqueKey != nil && (k.untilStart || a.row.Branch == branchCallback) {
		if err := w.core.letGo(ctx, a.row); err != nil {
			return err
		}
	}
	w.core.tell(Event{JobID: a.JobID, Kind: a.Kind, Queue: a.Queue, Tags: a.Tags, Flow: a.Flow, Attempt: a.Number, Result: "started"})
	err = w.call(ctx, k, a)
	if missing := errors.Is(err, db.ErrNotFound) || fault.KindOf(err) == fault.NotFound; !missing {
		return err
	}
	if k.whenMissing {
		return Skip(err.Error())
	}
	return Fail(err)
}

// tries returns how often jobs of a kind are tried.
func (w *Worker) tries(k *kind) int {
	if w.cfg.MaxTries > 0 {
		return min(k.tries, w.cfg.MaxTries)
	}
	return k.tries
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

// call runs the handler, inside the middleware of all kinds, under its kind's timeout.
func (w *Worker) call(ctx context.Context, k *kind, a *Attempt) error {
	timeout := k.timeout
	if w.cfg.MaxTimeout > 0 {
		timeout = min(timeout, w.cfg.MaxTimeout)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	run := wrap(k.run, w.registry.global)
	result := make(chan error, 1)
	go func() { result <- caught(func() error { return run(ctx, a) }) }()
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
		return fmt.Errorf("did not stop %s after its timeout of %s", abandonAfter, timeout)
	}
}

// settle records what the handler's answer means and returns what asynq is told.
func (w *Worker) settle(ctx context.Context, k *kind, a *Attempt, err error) error {
	if err == nil && a.done.Load() || errors.Is(err, ErrSuperseded) {
		return nil
	}
	if err == nil {
		return w.recorded(w.core.conclude(ctx, &ending{row: a.row, state: jobDone}))
	}
	ctx, cancel := recording(ctx)
	defer cancel()
	var rel *released
	var fin *failed
	var skip *skipped
	switch {
	case errors.As(err, &skip):
		return w.recorded(w.core.conclude(ctx, &ending{row: a.row, state: jobDone, note: clipTo(skip.Error(), maxNote)}))
	case errors.As(err, &rel):
		return w.release(ctx, a, rel)
	case errors.As(err, &fin) || w.lastTry(k, a):
		return w.giveUp(ctx, k, a, err)
	}
	after, recErr := w.core.retryLater(ctx, a.row, a.Number, w.within(a, k.backoff(a.Number)), err)
	if recErr != nil {
		return w.recorded(recErr)
	}
	return &outcome{error: err, after: w.wall(after), failure: true}
}

// lastTry reports whether an attempt that ended in an error was the last one.
func (w *Worker) lastTry(k *kind, a *Attempt) bool {
	if k.maxExceptions > 0 && a.row.Attempts+1 >= k.maxExceptions {
		return true
	}
	return a.row.RetryUntil == nil && a.Number >= w.tries(k)
}

// within shortens a wait so that it ends at the job's deadline.
func (w *Worker) within(a *Attempt, wait time.Duration) time.Duration {
	if a.row.RetryUntil == nil {
		return wait
	}
	return max(0, min(wait, a.row.RetryUntil.Sub(w.core.clock.Now())))
}

func (w *Worker) release(ctx context.Context, a *Attempt, rel *released) error {
	after := w.within(a, rel.after)
	err := w.core.release(ctx, a.row, after)
	if errors.Is(err, errWoken) {
		return err
	}
	if err != nil {
		return w.recorded(err)
	}
	return &outcome{error: rel, after: w.wall(after)}
}

func (w *Worker) giveUp(ctx context.Context, k *kind, a *Attempt, cause error) error {
	if err := w.core.fail(ctx, a, cause, append(k.failing[:len(k.failing):len(k.failing)], w.registry.failing...)); err != nil {
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

// report logs, counts and tells what became of an attempt.
func (w *Worker) report(ctx context.Context, a *Attempt, said, err error, took time.Duration) {
	result, level := "done", slog.LevelDebug
	var o *outcome
	var rel *released
	switch {
	case err == nil && IsSkip(said):
		result = "skipped"
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
	if w.log.Enabled(ctx, level) {
		attrs := []any{"result", result, "attempt", a.Number, "took", took.Round(time.Microsecond)}
		if err != nil {
			attrs = append(attrs, "err", err)
		}
		var p *panicked
		if errors.As(err, &p) {
			attrs = append(attrs, "stack", p.stack)
		}
		w.log.Log(ctx, level, "job", attrs...)
	}
	w.core.tell(Event{a.JobID, a.Kind, a.Queue, a.Tags, a.Flow, a.Number, result, took, err})
}
