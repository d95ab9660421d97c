package order

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/notify"
	"github.com/spotpool/spotpool/internal/pay"
)

type orderArgs struct {
	OrderID uuid.UUID `json:"order_id"`
}

func (a orderArgs) tags() []string { return []string{"order:" + a.OrderID.String()} }

var confirmKind = jobs.Kind[orderArgs]{
	Name: "order:confirm", Queue: "orders", Tries: 10, Timeout: 10 * time.Second,
	Backoff: jobs.Exponential(time.Second, time.Minute),
	Tags:    orderArgs.tags,
}

// Undoing must not be given up: its tries last for days.
var giveUpKind = jobs.Kind[orderArgs]{
	Name: "order:give_up", Queue: "orders", Tries: 60, Timeout: 10 * time.Second,
	Backoff: jobs.Exponential(time.Second, time.Hour),
	Tags:    orderArgs.tags,
}

// Confirm returns the job that confirms a matched order whose fare is held.
func Confirm(id uuid.UUID) jobs.Job { return confirmKind.New(orderArgs{id}) }

// GiveUp returns the job that undoes what was done for an order: it closes the
// order, frees its seats, has its hold voided, or a late cancel's fee settled, and
// the rider told.
func GiveUp(id uuid.UUID) jobs.Job { return giveUpKind.New(orderArgs{id}) }

// Register attaches the handlers of this package's jobs.
func (s *Service) Register(r *jobs.Registry) {
	jobs.Handle(r, confirmKind, s.confirm)
	jobs.Handle(r, giveUpKind, s.giveUp)
	jobs.OnFailed(r, giveUpKind, s.giveUpFailed)
	jobs.Handle(r, rematchKind, s.rematch)
	jobs.Handle(r, settleKind, s.settle)
	jobs.Handle(r, findAbandonedKind, s.findAbandoned)
	jobs.Handle(r, endAbandonedKind, s.endAbandoned)
}

func (s *Service) confirm(ctx context.Context, a *jobs.Attempt, args orderArgs) error {
	err := a.DoneTogether(ctx, func(tx *db.Tx) error {
		if err := s.move(tx, args.OrderID, Confirmed, "", "confirmed_at = ?", s.clock.Now()); err != nil {
			return err
		}
		o, err := get(tx.DB, args.OrderID)
		if err != nil {
			return err
		}
		if err := s.queue.Dispatch(tx, s.reminder(o)...); err != nil {
			return err
		}
		return notify.TripEvent{Trip: o.TripID.UUID, Event: notify.Matched, Orders: []uuid.UUID{o.ID}, Number: o.Rematches}.Tell(tx, s.queue)
	})
	if errors.Is(err, errMoved) {
		return jobs.Fail(err) // cancelled meanwhile: the catch chain takes over
	}
	return err
}

// reminder is the job that reminds the rider before the pickup, none where that is so
// near that the notice of the confirmation, or of the change, will do.
func (s *Service) reminder(o Order) []jobs.Job {
	wait := o.PickupAt.Sub(s.clock.Now()) - notify.RemindBefore
	if wait <= 0 {
		return nil
	}
	return []jobs.Job{notify.Remind(o.ID).In(wait)}
}

func (s *Service) giveUp(ctx context.Context, a *jobs.Attempt, args orderArgs) error {
	return a.Done(ctx, func(tx *db.Tx) error {
		o, err := lock(tx, args.OrderID)
		if err != nil {
			return err
		}
		if slices.Contains(begun, o.Status) {
			return jobs.Skip("the order is " + string(o.Status))
		}
		if err := s.close(tx, &o, a.Cause); err != nil {
			return err
		}
		if err := s.freeSeats(tx, o); err != nil {
			return err
		}
		if o.Fee > 0 {
			if err := s.settleFee(ctx, tx, o); err != nil {
				return err
			}
		}
		return s.queue.Dispatch(tx, farewell(o)...)
	})
}

// giveUpFailed has at least the money released when the undoing itself was given
// up. Order and seats wait for who takes the failed job up again, and the audit
// names what no longer agrees.
func (s *Service) giveUpFailed(tx *db.Tx, _ jobs.Failure, args orderArgs) error {
	return s.queue.Dispatch(tx, pay.Void(args.OrderID))
}

// close moves an order that is not closed yet to where its failure leads.
func (s *Service) close(tx *db.Tx, o *Order, cause string) error {
	to, reason := Cancelled, cause
	if cause == jobs.ErrDeadline.Code { // only the search for a trip has one
		to, reason = Expired, ReasonNoTrip
	}
	if !o.Status.Can(to) {
		return nil
	}
	o.Status, o.Reason = to, reason
	return s.move(tx, o.ID, to, reason, "")
}

// freeSeats takes the order off its trip, which offers the seats to those who wait.
func (s *Service) freeSeats(tx *db.Tx, o Order) error {
	if !o.TripID.Valid {
		return nil
	}
	_, err := s.trips.RemoveOrder(tx, o.TripID.UUID, o.ID)
	return err
}

// farewell is what else is to be done for a closed order. A hold of which something is
// charged is released by that.
func farewell(o Order) []jobs.Job {
	event := notify.Cancelled
	switch {
	case o.Status == Expired:
		event = notify.Expired
	case o.Reason == pay.ErrDeclined.Code:
		event = notify.Declined
	}
	rest := []jobs.Job{pay.Void(o.ID), notify.About(o.ID, event)}
	if o.Fee > 0 {
		return rest[1:]
	}
	return rest
}
