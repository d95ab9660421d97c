package order

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/notify"
	"github.com/spotpool/spotpool/internal/trip"
)

// What becomes of orders while their trip is driven. driver is who asks, Nil for an
// operator; someone else's trip is trip.ErrNotFound.

// SetOut has a trip depart, as trip.Service.SetOut does.
func (s *Service) SetOut(tx *db.Tx, id, driver uuid.UUID) (trip.Trip, error) {
	t, err := s.trips.SetOut(tx, id, driver)
	if err == nil {
		s.watch(tx, t)
	}
	return t, err
}

// Complete ends a trip, as trip.Service.Complete does.
func (s *Service) Complete(tx *db.Tx, id, driver uuid.UUID) (trip.Trip, error) {
	t, err := s.trips.Complete(tx, id, driver)
	if err == nil {
		s.watch(tx, t)
	}
	return t, err
}

// Act records what the driver did at the n-th stop of a trip's plan, counted from one,
// and has its order follow. What was recorded before changes nothing. It fails as
// trip.Service.Act does, or with ErrNotConfirmed.
func (s *Service) Act(tx *db.Tx, id, driver uuid.UUID, n int, a trip.Act) (trip.Trip, error) {
	t, again, err := s.trips.Act(tx, id, driver, n, a)
	if err != nil || again {
		return t, err
	}
	if err := s.follow(tx, t.Plan[n-1], a); err != nil {
		return t, err
	}
	s.watch(tx, t)
	return t, nil
}

// follow moves the order of a stop to where the driver's act has brought it, and has
// its rider told of what they cannot see.
func (s *Service) follow(tx *db.Tx, stop trip.Stop, a trip.Act) error {
	id, tell := stop.OrderID, []jobs.Job(nil)
	var err error
	switch a {
	case trip.PickUp:
		err = s.move(tx, id, Riding, "", "pickup_at = ?", stop.At)
	case trip.DropOff:
		err = s.arrive(tx, id, "", stop.At)
	case trip.NoShow:
		err = s.move(tx, id, NoShow, "", "")
		tell = []jobs.Job{notify.About(id, notify.NoShow)}
	case trip.Arrive:
		if stop.Kind == trip.Pickup {
			tell = []jobs.Job{notify.About(id, notify.Here)}
		}
	}
	if errors.Is(err, errMoved) {
		return ErrNotConfirmed
	}
	if err != nil {
		return err
	}
	return s.queue.Dispatch(tx, tell...)
}

// watch has open pages look at a trip after the transaction.
func (s *Service) watch(tx *db.Tx, t trip.Trip) {
	ctx := context.WithoutCancel(tx.Statement.Context)
	tx.After(func() { s.live.Publish(ctx, notify.TripTopic(t.ID)) })
}
