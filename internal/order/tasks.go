package order

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/match"
	"github.com/spotpool/spotpool/internal/notify"
	"github.com/spotpool/spotpool/internal/pay"
)

type orderArgs struct {
	OrderID uuid.UUID `json:"order_id"`
}

var confirmKind = jobs.Kind[orderArgs]{
	Name: "order:confirm", Queue: "orders", Tries: 10, Timeout: 10 * time.Second,
	Backoff: jobs.Exponential(time.Second, time.Minute),
}

// Undoing must not be given up: its tries last for days.
var giveUpKind = jobs.Kind[orderArgs]{
	Name: "order:give_up", Queue: "orders", Tries: 60, Timeout: 10 * time.Second,
	Backoff: jobs.Exponential(time.Second, time.Hour),
}

// Confirm returns the job that confirms a matched order whose fare is held.
func Confirm(id uuid.UUID) jobs.Job { return confirmKind.New(orderArgs{id}) }

// GiveUp returns the job that undoes what was done for an order: it closes the
// order, frees its seats and has its hold voided and the rider told.
func GiveUp(id uuid.UUID) jobs.Job { return giveUpKind.New(orderArgs{id}) }

// Register attaches the handlers of this package's jobs.
func (s *Service) Register(r *jobs.Registry) {
	jobs.Handle(r, confirmKind, s.confirm)
	jobs.Handle(r, giveUpKind, s.giveUp)
}

func (s *Service) confirm(ctx context.Context, a *jobs.Attempt, args orderArgs) error {
	err := a.Done(ctx, func(tx *db.Tx) error {
		now := s.clock.Now()
		return s.move(tx, args.OrderID, Confirmed, "", "confirmed_at = ?", now)
	})
	if errors.Is(err, errMoved) {
		return jobs.Fail(err) // cancelled meanwhile: the catch chain takes over
	}
	return err
}

func (s *Service) giveUp(ctx context.Context, a *jobs.Attempt, args orderArgs) error {
	return a.Done(ctx, func(tx *db.Tx) error {
		o, err := lock(tx, args.OrderID)
		if err != nil {
			return err
		}
		if err := s.close(tx, &o, a.Cause); err != nil {
			return err
		}
		if err := s.freeSeats(tx, o); err != nil {
			return err
		}
		return s.queue.Dispatch(tx, farewell(o)...)
	})
}

// close moves an order that is not closed yet to where its failure leads.
func (s *Service) close(tx *db.Tx, o *Order, cause string) error {
	to := Cancelled
	if cause == ReasonNoTrip {
		to = Expired
	}
	if !o.Status.Can(to) {
		return nil
	}
	o.Status, o.Reason = to, cause
	return s.move(tx, o.ID, to, cause, "")
}

// freeSeats takes the order off its trip and lets those who wait know.
func (s *Service) freeSeats(tx *db.Tx, o Order) error {
	if !o.TripID.Valid {
		return nil
	}
	freed, err := s.trips.RemoveOrder(tx, o.TripID.UUID, o.ID)
	if err != nil || !freed {
		return err
	}
	return s.queue.Dispatch(tx, match.WakeWaiting(o.TripID.UUID))
}

// farewell is what else is to be done for a closed order.
func farewell(o Order) []jobs.Job {
	event := notify.Cancelled
	switch {
	case o.Status == Expired:
		event = notify.Expired
	case o.Reason == pay.ErrDeclined.Code:
		event = notify.Declined
	}
	return []jobs.Job{pay.Void(o.ID), notify.Rider(o.ID, event), notify.Driver(o.ID, notify.Cancelled)}
}
