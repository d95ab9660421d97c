package pay

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/fare"
	"github.com/spotpool/spotpool/internal/fault"
	"github.com/spotpool/spotpool/internal/jobs"
)

// It is owed to the rider from the moment it was granted: it is tried for days.
var refundKind = jobs.Kind[orderArgs]{
	Name: "pay:refund", Queue: "pay", Tries: 60,
	Backoff: jobs.Exponential(time.Second, time.Hour), Timeout: 15 * time.Second,
	Tags: orderArgs.tags,
}

// Refund returns the job that gives back what GrantRefund has granted.
func Refund(order uuid.UUID) jobs.Job { return refundKind.New(orderArgs{order}) }

// GrantRefund takes what an order was charged out of its settlement, in the caller's
// transaction, so that driver and platform get no part of it. Whoever calls it
// dispatches Refund when it reports true; it reports false when that was granted
// before. It returns ErrNotSettled before the settlement is shared out, ErrDisputesOver
// once its driver is to be paid, and ErrClosed when nothing was taken.
func (s *Service) GrantRefund(tx *db.Tx, order uuid.UUID) (granted bool, err error) {
	p, err := lock(tx, order)
	switch {
	case err != nil:
		return false, err
	case p.Status == Refunding || p.Status == Refunded:
		return false, nil
	case !p.Status.Can(Refunding):
		return false, ErrClosed
	}
	st, err := lockSettlement(tx, p.SettlementID.UUID)
	switch {
	case fault.KindOf(err) == fault.NotFound:
		return false, ErrNotSettled
	case err != nil:
		return false, err
	case st.DisputedAt != nil:
		return false, ErrDisputesOver
	}
	return true, s.takeOut(tx, p, st)
}

// takeOut takes a payment out of its settlement, which the transaction has locked.
func (s *Service) takeOut(tx *db.Tx, p Payment, st Settlement) error {
	share, fee := fare.Split(st.Fares-p.Charged, st.FeePercent)
	now := s.clock.Now()
	_, err := tx.Change("UPDATE settlements SET rides = rides - 1, fares = ?, share = ?, fee = ? WHERE id = ? AND disputed_at IS NULL",
		st.Fares-p.Charged, share, fee, st.ID)
	if err != nil {
		return err
	}
	if err := change(tx, p, Refunding, now, ""); err != nil {
		return err
	}
	return post(tx, refundPosting(p.OrderID), now,
		transfer{st.Share - share, riderRefunds(p.RiderID), driverPayable(st.DriverID)},
		transfer{st.Fee - fee, riderRefunds(p.RiderID), platformRevenue})
}

func (s *Service) refund(ctx context.Context, a *jobs.Attempt, args orderArgs) error {
	p, err := s.get(ctx, args.Order)
	if err != nil {
		return final(err)
	}
	if p.Status == Refunded {
		return nil
	}
	if !p.Status.Can(Refunded) {
		return final(ErrClosed)
	}
	if err := s.gateway.Refund(ctx, refundPosting(p.OrderID), p.HoldRef, p.Charged); err != nil {
		return s.undecided(ctx, err, refundPosting(p.OrderID), p.OrderID, noLimit)
	}
	return a.Done(ctx, func(tx *db.Tx) error { return s.refunded(tx, p) })
}

// refunded records that the gateway has given back what p's order was charged.
func (s *Service) refunded(tx *db.Tx, p Payment) error {
	now := s.clock.Now()
	if err := change(tx, p, Refunded, now, ""); err != nil {
		return err
	}
	return post(tx, "refunded:"+p.OrderID.String(), now, transfer{p.Charged, gatewayCash, riderRefunds(p.RiderID)})
}

func refundPosting(order uuid.UUID) string { return "refund:" + order.String() }
