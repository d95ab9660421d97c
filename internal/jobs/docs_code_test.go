package jobs_test

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/hibiken/asynq"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/seal"
)

// The snippets of docs/queue.md, in its order, so that they are compiled. A test
// holds the two against each other.

type rideArgs struct {
	OrderID       uuid.UUID
	Rider, Driver string // ids
}

func _(tx *db.Tx, client *jobs.Client, tellRider, tellDriver jobs.Job) error {
	return client.Dispatch(tx, tellRider, tellDriver)
}

func _(ctx context.Context, database *db.DB, client *jobs.Client, id uuid.UUID, tellRider jobs.Job) error {
	return database.Tx(ctx, func(tx *db.Tx) error {
		if _, err := tx.Change("UPDATE orders SET status = 'confirmed' WHERE id = ? AND status = 'matched'", id); err != nil {
			return err
		}
		return client.Dispatch(tx, tellRider)
	})
}

func _(tx *db.Tx, client *jobs.Client, remind jobs.Job) error {
	return client.Dispatch(tx, remind.In(10*time.Minute))
}

func _(tx *db.Tx, client *jobs.Client, tellRider jobs.Job) error {
	return client.Dispatch(tx, tellRider.On("low"))
}

func _(database *db.DB, home, other asynq.RedisConnOpt, clk clock.Clock, box *seal.Box, log *slog.Logger) *jobs.System {
	return jobs.New(jobs.Options{
		DB: database, Redis: home, Clock: clk, Box: box, Log: log, Retention: time.Hour,
		Connections: map[string]asynq.RedisConnOpt{"sms": other},
	})
}

func _(ctx context.Context, worker *jobs.Worker, tellRider jobs.Job) error {
	return worker.RunSync(ctx, tellRider)
}

func _(tx *db.Tx, client *jobs.Client, id uuid.UUID, findTrip, holdFare, confirm jobs.Job) error {
	flow := jobs.Chain(findTrip, holdFare, confirm)
	_, err := client.Start(tx, jobs.Subject{Kind: "order", ID: id}, flow)
	return err
}

func _(findTrip, holdFare, confirm, giveUp jobs.Job) jobs.Flow {
	return jobs.Chain(findTrip, holdFare, confirm).Catch(giveUp)
}

func _(pages []jobs.Job, count, sent, failed, tidyUp jobs.Job) jobs.Flow {
	return jobs.Chain(
		jobs.BatchOf(pages).Progress(count).Then(sent).Catch(failed).Finally(tidyUp),
	)
}

func _(ctx context.Context, a *jobs.Attempt, nextPage jobs.Job) error {
	return a.Done(ctx, func(tx *db.Tx) error {
		_, err := a.Add(tx, nextPage)
		return err
	})
}

func _(tx *db.Tx, client *jobs.Client, id, flowID uuid.UUID) error {
	if _, err := client.Cancel(tx, id); err != nil { // all flows of a subject
		return err
	}
	_, err := client.CancelFlow(tx, flowID) // one flow
	return err
}

func _(confirm, tellRider, tellDriver jobs.Job) jobs.Flow {
	return jobs.Chain(confirm, jobs.Batch(tellRider, tellDriver).AllowFailures())
}

func _(makeStatement, tellDriver, tellRider, report jobs.Job) jobs.Flow {
	first := jobs.Chain(makeStatement, tellDriver)
	return jobs.Chain(jobs.Batch(first, tellRider).AllowFailures(), report)
}

func _(kind *jobs.Kind[rideArgs]) {
	kind.Tries = 5
}

func _(kind *jobs.Kind[rideArgs]) {
	kind.Tries = 25
	kind.MaxExceptions = 3
}

func _(tx *db.Tx, client *jobs.Client, findTrip jobs.Job, matchUntil time.Time) error {
	return client.Dispatch(tx, findTrip.Until(matchUntil))
}

func _(kind *jobs.Kind[rideArgs]) {
	kind.Backoff = jobs.Fixed(3 * time.Second)
	kind.Backoff = jobs.Steps(1*time.Second, 5*time.Second, 10*time.Second)
	kind.Backoff = jobs.Exponential(time.Second, time.Minute)
	kind.Backoff = func(n int) time.Duration { return time.Duration(n*n) * time.Second }
}

func _(kind *jobs.Kind[rideArgs]) {
	kind.Timeout = 15 * time.Second
}

func _(a *jobs.Attempt) error {
	if a.Number > 3 {
		return jobs.Fail(errors.New("three times is enough"))
	}
	return nil
}

func _() error {
	return jobs.Release(30*time.Second, "no trip yet")
}

func _(err error) error {
	return jobs.Fail(err)
}

func _(r *jobs.Registry, kind jobs.Kind[rideArgs], handle func(context.Context, *jobs.Attempt, rideArgs) error, breaker *jobs.Breaker, log *slog.Logger) {
	measure := func(next jobs.Handler) jobs.Handler {
		return func(ctx context.Context, a *jobs.Attempt) error {
			began := time.Now()
			defer func() { log.Info("ran", "kind", a.Kind, "took", time.Since(began)) }()
			return next(ctx, a)
		}
	}
	r.Use(measure)                                                 // around all kinds
	jobs.Handle(r, kind, handle, jobs.ThrottleExceptions(breaker)) // around this one
}

func _(r *jobs.Registry, kind, other jobs.Kind[rideArgs], handle func(context.Context, *jobs.Attempt, rideArgs) error, limiter *jobs.Limiter) {
	perNumber := func(_ context.Context, args rideArgs) ([]jobs.Window, error) {
		return []jobs.Window{{Key: "number:" + args.Rider, Max: 1, Per: time.Minute}, {Key: "provider", Max: 20, Per: time.Second}}, nil
	}
	jobs.Handle(r, kind, handle, jobs.RateLimit(limiter, perNumber))
	jobs.Handle(r, other, handle, jobs.RateLimitOrSkip(limiter, perNumber))
}

func _(r *jobs.Registry, kind jobs.Kind[rideArgs], handle func(context.Context, *jobs.Attempt, rideArgs) error, locker *jobs.Locker) {
	key := func(args rideArgs) string { return args.Driver }
	jobs.Handle(r, kind, handle, jobs.WithoutOverlapping(locker, 30*time.Second, key))
}

func _(r *jobs.Registry, kind jobs.Kind[rideArgs], handle func(context.Context, *jobs.Attempt, rideArgs) error) {
	gateway := jobs.NewBreaker(clock.System{}, "payment gateway", 5, 10*time.Second)
	jobs.Handle(r, kind, handle, jobs.ThrottleExceptions(gateway))
}

func _(r *jobs.Registry, kind jobs.Kind[rideArgs], handle func(context.Context, *jobs.Attempt, rideArgs) error) {
	gone := func(_ context.Context, args rideArgs) (why string, err error) {
		if args.Rider == "" {
			return "nobody rides", nil
		}
		return "", nil
	}
	jobs.Handle(r, kind, handle, jobs.SkipWhen(gone))
}

func _(kind *jobs.Kind[rideArgs]) {
	kind.Unique = func(args rideArgs) string { return args.Driver }
	kind.UntilStart = true // another one may be asked for as soon as this one starts
}

func _(kind *jobs.Kind[rideArgs]) {
	kind.Sealed = true
}

func _(kind *jobs.Kind[rideArgs]) {
	kind.DeleteWhenMissing = true
}

func _(r *jobs.Registry, kind jobs.Kind[rideArgs], client *jobs.Client, alarm func(order uuid.UUID, why error) jobs.Job) {
	jobs.OnFailed(r, kind, func(tx *db.Tx, f jobs.Failure, args rideArgs) error {
		return client.Dispatch(tx, alarm(args.OrderID, f.Err))
	})
}

func _(r *jobs.Registry, log *slog.Logger) {
	r.OnFailure(func(tx *db.Tx, f jobs.Failure) error {
		tx.After(func() { log.Error("a job has failed", "kind", f.Kind, "job_id", f.JobID) })
		return nil
	})
}

func _(kind *jobs.Kind[rideArgs]) {
	kind.Tags = func(args rideArgs) []string { return []string{"order:" + args.OrderID.String()} }
}

func _(sys *jobs.System, log *slog.Logger) {
	sys.Observe(func(e jobs.Event) {
		log.Debug("job", "kind", e.Kind, "result", e.Result, "attempt", e.Attempt, "took", e.Took)
	})
}

type closeArgs struct {
	TripID uuid.UUID `json:"trip_id"`
}

var closeKind = jobs.Kind[closeArgs]{
	Name: "trip:close", Queue: "low", Tries: 10, Timeout: 10 * time.Second,
	Backoff: jobs.Exponential(time.Second, time.Minute),
	Tags:    func(a closeArgs) []string { return []string{"trip:" + a.TripID.String()} },
}

// CloseTrip returns the job that closes a trip to orders.
func CloseTrip(id uuid.UUID) jobs.Job { return closeKind.New(closeArgs{id}) }

func closeTrip(ctx context.Context, a *jobs.Attempt, args closeArgs) error {
	return a.Done(ctx, func(tx *db.Tx) error {
		_, err := tx.Change("UPDATE trips SET status = 'departed' WHERE id = ? AND status = 'open'", args.TripID)
		return err
	})
}

func register(r *jobs.Registry) { jobs.Handle(r, closeKind, closeTrip) }

var _ = register
