package pay

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/fare"
	"github.com/spotpool/spotpool/internal/fault"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/money"
)

// The jobs of a settlement, in their order: what is owed is captured, shared out
// between driver and platform, and, when nothing can be disputed any more, paid out.

type captureArgs struct {
	Settlement uuid.UUID    `json:"settlement_id"`
	Order      uuid.UUID    `json:"order_id"`
	Amount     money.Amount `json:"amount"`
}

type shareOutArgs struct {
	Settlement uuid.UUID `json:"settlement_id"`
	Driver     uuid.UUID `json:"driver_id"`
	Departs    time.Time `json:"departs_at"`
}

type settlementArgs struct {
	Settlement uuid.UUID `json:"settlement_id"`
}

// Ten tries take some nine minutes; an open breaker's waits come on top.
var captureKind = jobs.Kind[captureArgs]{
	Name: "pay:capture", Queue: "pay", Tries: 10,
	Backoff: jobs.Exponential(time.Second, 5*time.Minute), Timeout: 15 * time.Second,
	Tags: func(a captureArgs) []string { return []string{"order:" + a.Order.String()} },
}

var shareOutKind = jobs.Kind[shareOutArgs]{
	Name: "pay:share_out", Queue: "pay", Tries: 20,
	Backoff: jobs.Exponential(time.Second, 15*time.Minute), Timeout: 15 * time.Second,
	Tags: func(a shareOutArgs) []string { return []string{"driver:" + a.Driver.String()} },
}

var endDisputesKind = jobs.Kind[settlementArgs]{
	Name: "pay:end_disputes", Queue: "pay", Tries: 20,
	Backoff: jobs.Exponential(time.Second, 15*time.Minute), Timeout: 15 * time.Second,
}

// A driver waits for it: it is tried for most of a day.
var payoutKind = jobs.Kind[settlementArgs]{
	Name: "pay:payout", Queue: "pay", Tries: 30,
	Backoff: jobs.Exponential(time.Second, time.Hour), Timeout: 15 * time.Second,
}

// Capture returns the job that takes what an order is charged and has the rest of
// its hold released. When that is given up, the charge becomes the rider's debt; a
// retry by hand that succeeds pays it.
func Capture(settlement uuid.UUID, c Charge) jobs.Job {
	return captureKind.New(captureArgs{settlement, c.Order, c.Amount})
}

// ShareOut returns the job that gives driver and platform their parts of what a
// bill's orders were charged. It begins when none of their captures is under way.
func ShareOut(b Bill) jobs.Job { return shareOutKind.New(shareOutArgs{b.ID, b.Driver, b.Departs}) }

// EndDisputes returns the job after which no payment of a settlement is refunded.
func EndDisputes(settlement uuid.UUID) jobs.Job {
	return endDisputesKind.New(settlementArgs{settlement})
}

// Payout returns the job that pays a driver the share of a settlement whose time for
// disputes is over.
func Payout(settlement uuid.UUID) jobs.Job { return payoutKind.New(settlementArgs{settlement}) }

func (s *Service) registerSettlements(r *jobs.Registry, gateway jobs.Middleware) {
	jobs.Handle(r, captureKind, s.capture, gateway)
	jobs.OnFailed(r, captureKind, s.captureFailed)
	jobs.Handle(r, shareOutKind, s.shareOut)
	jobs.Handle(r, endDisputesKind, s.endDisputes)
	jobs.Handle(r, payoutKind, s.payout, gateway)
}

func (s *Service) capture(ctx context.Context, a *jobs.Attempt, args captureArgs) error {
	p, err := s.get(ctx, args.Order)
	if err != nil {
		return final(err)
	}
	switch {
	case p.Status == Captured || p.Status == Refunding || p.Status == Refunded:
		return nil
	case !p.Status.Can(Captured):
		return final(ErrClosed)
	case args.Amount <= 0 || args.Amount > p.Amount:
		return final(ErrAboveHold)
	}
	if err := s.gateway.Capture(ctx, capturePosting(p.OrderID), p.HoldRef, args.Amount); err != nil {
		return s.undecided(ctx, err, capturePosting(p.OrderID), args.Settlement, noLimit)
	}
	return a.DoneTogether(ctx, func(tx *db.Tx) error { return s.captured(tx, p, args) })
}

// captured records that the gateway has taken what p's order is charged.
func (s *Service) captured(tx *db.Tx, p Payment, args captureArgs) error {
	now := s.clock.Now()
	if p.Status == Owed {
		if err := change(tx, p, Captured, now, ""); err != nil {
			return err
		}
		return post(tx, capturePosting(p.OrderID), now, transfer{p.Charged, riderDebt(p.RiderID), gatewayCash})
	}
	if err := change(tx, p, Captured, now, "charged = ?, settlement_id = ?", args.Amount, args.Settlement); err != nil {
		return err
	}
	return post(tx, capturePosting(p.OrderID), now, released(p), transfer{args.Amount, collected(args.Settlement), gatewayCash})
}

// released is the end of a hold in the ledger.
func released(p Payment) transfer { return transfer{p.Amount, gatewayHolds, riderHolds(p.RiderID)} }

// askAgain is how long after a capture without an answer was given up it is tried anew.
const askAgain = time.Hour

// captureFailed makes a charge that could not be taken the rider's debt. The driver
// gets a share of it all the same: who drove is not to wait for who does not pay.
// Where the gateway has not said no, it may have taken the money: it is asked again
// later, until it says one or the other.
func (s *Service) captureFailed(tx *db.Tx, f jobs.Failure, args captureArgs) error {
	p, err := lock(tx, args.Order)
	if err != nil || args.Amount <= 0 || args.Amount > p.Amount {
		return ignoreMissing(err)
	}
	if p.Status.Can(Owed) {
		err = s.owe(tx, p, f, args)
	} else if p.Status != Owed {
		return nil
	}
	if err != nil || settled(f.Err) {
		return err
	}
	return s.queue.Dispatch(tx, Capture(args.Settlement, Charge{args.Order, args.Amount}).In(askAgain))
}

func (s *Service) owe(tx *db.Tx, p Payment, f jobs.Failure, args captureArgs) error {
	now := s.clock.Now()
	err := change(tx, p, Owed, now, "charged = ?, settlement_id = ?, owed_at = ?", args.Amount, args.Settlement, now)
	if err != nil {
		return err
	}
	ctx := context.WithoutCancel(tx.Statement.Context)
	tx.After(func() {
		s.log.WarnContext(ctx, "a fare could not be taken and is owed", slog.String("order_id", args.Order.String()), slog.Any("err", f.Err))
	})
	moves := []transfer{{args.Amount, collected(args.Settlement), riderDebt(p.RiderID)}}
	if p.Status == Held {
		moves = append(moves, released(p))
	}
	return post(tx, debtPosting(p.OrderID), now, moves...)
}

// ignoreMissing lets a hook end whose row is gone.
func ignoreMissing(err error) error {
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

func (s *Service) shareOut(ctx context.Context, a *jobs.Attempt, args shareOutArgs) error {
	return a.Done(ctx, func(tx *db.Tx) error {
		owed, err := balance(tx, collected(args.Settlement))
		if err != nil {
			return err
		}
		if owed == 0 {
			return jobs.Skip("there is nothing to share out")
		}
		return s.sharedOut(tx, args, -owed)
	})
}

// sharedOut records how a settlement's fares are shared out.
func (s *Service) sharedOut(tx *db.Tx, args shareOutArgs, fares money.Amount) error {
	now := s.clock.Now()
	st := Settlement{
		ID: args.Settlement, DriverID: args.Driver, Day: clock.DayOf(args.Departs, s.zone),
		Fares: fares, FeePercent: s.feePercent, CreatedAt: now,
	}
	st.Share, st.Fee = fare.Split(fares, st.FeePercent)
	err := tx.Raw("SELECT COUNT(*) FROM payments WHERE settlement_id = ?", st.ID).Scan(&st.Rides).Error
	if err != nil {
		return err
	}
	if err := tx.Create(&st).Error; err != nil {
		return err
	}
	return post(tx, "settle:"+st.ID.String(), now,
		transfer{st.Share, driverPayable(st.DriverID), collected(st.ID)}, transfer{st.Fee, platformRevenue, collected(st.ID)})
}

func (s *Service) endDisputes(ctx context.Context, a *jobs.Attempt, args settlementArgs) error {
	return a.Done(ctx, func(tx *db.Tx) error {
		_, err := tx.Change("UPDATE settlements SET disputed_at = ? WHERE id = ? AND disputed_at IS NULL", s.clock.Now(), args.Settlement)
		return err
	})
}

func (s *Service) payout(ctx context.Context, a *jobs.Attempt, args settlementArgs) error {
	st, err := s.settlement(ctx, args.Settlement)
	switch {
	case fault.KindOf(err) == fault.NotFound:
		return jobs.Skip("nothing was charged")
	case err != nil:
		return err
	case st.PaidAt != nil:
		return nil
	case st.DisputedAt == nil: // its amount may still change
		return jobs.Fail(ErrNotSettled)
	case st.Share == 0:
		return jobs.Skip("the driver has no share in it")
	}
	to, err := s.Means(ctx, st.DriverID)
	if err != nil {
		return err
	}
	err = s.gateway.Payout(ctx, Remittance{Key: payoutPosting(st.ID), Driver: st.DriverID, Account: to.PayoutAccount, Amount: st.Share})
	if err != nil {
		return s.undecided(ctx, err, payoutPosting(st.ID), st.ID, noLimit)
	}
	return a.Done(ctx, func(tx *db.Tx) error { return s.paidOut(tx, st) })
}

// paidOut records that a driver got the share of a settlement.
func (s *Service) paidOut(tx *db.Tx, st Settlement) error {
	now := s.clock.Now()
	n, err := tx.Change("UPDATE settlements SET paid_at = ? WHERE id = ? AND paid_at IS NULL", now, st.ID)
	if err != nil {
		return err
	}
	if n == 0 {
		return jobs.Skip("it was paid out already")
	}
	return post(tx, payoutPosting(st.ID), now, transfer{st.Share, gatewayCash, driverPayable(st.DriverID)})
}

func capturePosting(order uuid.UUID) string     { return "capture:" + order.String() }
func debtPosting(order uuid.UUID) string        { return "debt:" + order.String() }
func payoutPosting(settlement uuid.UUID) string { return "payout:" + settlement.String() }
