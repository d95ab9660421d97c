package pay

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/jobs"
)

type orderArgs struct {
	Order uuid.UUID `json:"order_id"`
}

func (a orderArgs) tags() []string { return []string{"order:" + a.Order.String()} }

var holdKind = jobs.Kind[orderArgs]{
	Name: "pay:hold", Queue: "pay", Tries: 6,
	Backoff: jobs.Exponential(time.Second, time.Minute), Timeout: 15 * time.Second,
	Tags: orderArgs.tags,
}

// Money that is held and forgotten is the worst outcome, so a void is tried for hours.
var voidKind = jobs.Kind[orderArgs]{
	Name: "pay:void", Queue: "pay", Tries: 20,
	Backoff: jobs.Exponential(time.Second, 15*time.Minute), Timeout: 15 * time.Second,
	Tags: orderArgs.tags,
}

// A gateway that fails so often in a row, without a word on the payment itself,
// is left alone for a while. Jobs wait meanwhile and lose no attempt.
const (
	gatewayErrors = 5
	gatewayPause  = 10 * time.Second
)

// Hold returns the job that holds the order's fare. When the gateway declines,
// the job fails with the cause "payment_declined".
func Hold(order uuid.UUID) jobs.Job { return holdKind.New(orderArgs{order}) }

// Void returns the job that releases whatever is held for the order. It is done
// at once when that was done before.
func Void(order uuid.UUID) jobs.Job { return voidKind.New(orderArgs{order}) }

// Register attaches the handlers of this package's jobs.
func (s *Service) Register(r *jobs.Registry) { s.register(r, gatewayBreaker(s.clock)) }

func gatewayBreaker(c clock.Clock) jobs.Middleware {
	return jobs.ThrottleExceptions(jobs.NewBreaker(c, "payment gateway", gatewayErrors, gatewayPause))
}

// register attaches the handlers, with the middleware around those that call the gateway.
func (s *Service) register(r *jobs.Registry, gateway jobs.Middleware) {
	jobs.Handle(r, holdKind, s.hold, gateway)
	jobs.Handle(r, voidKind, s.void, gateway)
	jobs.OnFailed(r, voidKind, s.voidFailed)
	jobs.Handle(r, refundKind, s.refund, gateway)
	s.registerSettlements(r, gateway)
	s.registerStatements(r)
	jobs.Handle(r, webhookKind, s.handleEvent)
	jobs.Handle(r, pruneKind, s.prune)
}

// settled reports whether another attempt would meet an error again.
func settled(err error) bool {
	return slices.ContainsFunc([]error{ErrNotFound, ErrClosed, ErrDeclined, ErrAboveHold, ErrRefused},
		func(end error) bool { return errors.Is(err, end) })
}

// final makes an error that another attempt would meet again end the job.
func final(err error) error {
	if settled(err) {
		return jobs.Fail(err)
	}
	return err
}

func (s *Service) hold(ctx context.Context, a *jobs.Attempt, args orderArgs) error {
	p, err := s.get(ctx, args.Order)
	if err != nil {
		return final(err)
	}
	if p.Status == Held {
		return nil
	}
	if !p.Status.Can(Held) || p.ClosedAt != nil {
		return final(ErrClosed)
	}
	ref, err := s.gateway.Hold(ctx, reservation(p))
	if err != nil {
		return s.undecided(ctx, err, holdPosting(p.OrderID), p.OrderID, holdWithin)
	}
	return a.DoneTogether(ctx, func(tx *db.Tx) error { return s.held(tx, p, ref) })
}

// reservation is what is held for an order. Its key is made from the order, not from
// the job, so that an order is never held twice whatever jobs it has, and so that a
// void can name a hold whose answer was lost when its worker died.
func reservation(p Payment) Reservation {
	return Reservation{Key: holdPosting(p.OrderID), Amount: p.Amount, Payer: p.Payer, Since: p.CreatedAt}
}

func holdPosting(order uuid.UUID) string { return "hold:" + order.String() }

// held records that the gateway holds p's money.
func (s *Service) held(tx *db.Tx, p Payment, ref string) error {
	now := s.clock.Now()
	if err := change(tx, p, Held, now, "hold_ref = ?", ref); err != nil {
		return err
	}
	return post(tx, holdPosting(p.OrderID), now, transfer{p.Amount, riderHolds(p.RiderID), gatewayHolds})
}

func (s *Service) void(ctx context.Context, a *jobs.Attempt, args orderArgs) error {
	p, err := s.get(ctx, args.Order)
	if err != nil {
		return final(err)
	}
	if p.Status == Voided || p.Status == Lapsed {
		return nil
	}
	if p.Status != None && !p.Status.Can(Voided) {
		return final(ErrClosed)
	}
	// None does not prove that nothing is held: a worker may have died between
	// the gateway's answer and the commit.
	if err := s.gateway.Void(ctx, voidPosting(p.OrderID), reservation(p), p.HoldRef); err != nil {
		return s.undecided(ctx, err, voidPosting(p.OrderID), p.OrderID, noLimit)
	}
	if p.Status != None {
		return a.Done(ctx, func(tx *db.Tx) error { return s.voided(tx, p) })
	}
	// Its order is over: a hold that is retried later must not take the money.
	return a.Done(ctx, func(tx *db.Tx) error {
		n, err := tx.Change("UPDATE payments SET closed_at = ?, void_failed_at = NULL WHERE order_id = ? AND status = ?",
			s.clock.Now(), p.OrderID, None)
		if err == nil && n == 0 {
			return overtaken(p)
		}
		return err
	})
}

// voided records that the gateway has released p's money.
func (s *Service) voided(tx *db.Tx, p Payment) error {
	now := s.clock.Now()
	if err := change(tx, p, Voided, now, ""); err != nil {
		return err
	}
	return post(tx, voidPosting(p.OrderID), now, released(p))
}

func voidPosting(order uuid.UUID) string { return "void:" + order.String() }

// voidFailed marks a payment whose money may still be held although nobody tries
// to release it any more: the audit finds it, and the log says so at once. A void
// that succeeds after all, such as a manual retry, takes the mark away.
func (s *Service) voidFailed(tx *db.Tx, f jobs.Failure, args orderArgs) error {
	n, err := tx.Change("UPDATE payments SET void_failed_at = ? WHERE order_id = ? AND status IN ?",
		s.clock.Now(), args.Order, []Status{None, Held})
	if err != nil || n == 0 {
		return err
	}
	ctx := context.WithoutCancel(tx.Statement.Context)
	tx.After(func() {
		s.log.ErrorContext(ctx, "money may stay held: its release was given up", slog.String("order_id", args.Order.String()), slog.Any("err", f.Err))
	})
	return nil
}
