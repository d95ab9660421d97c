package pay

import (
	"context"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/fault"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/money"
)

// Rides tells what a driver has driven; trip.Service is one.
type Rides interface {
	// Driven returns how many trips of a driver departed within a span of time,
	// and the orders that were on them.
	Driven(ctx context.Context, driver uuid.UUID, from, until time.Time) (trips int, orders []uuid.UUID, err error)
}

// Queue starts jobs and wakes those that wait; *jobs.Client is one.
type Queue interface {
	Dispatch(tx *db.Tx, jobs ...jobs.Job) error
	WakeIn(tx *db.Tx, subjects ...uuid.UUID) (int, error)
}

// Deps is what a Service works with.
type Deps struct {
	DB      *db.DB
	Queue   Queue
	Gateway Gateway
	Hooks   map[string]Hook // by the name under which their webhooks come in
	Rides   Rides
	Locks   *jobs.Locker
	Clock   clock.Clock
	Zone    *time.Location // in which a driver's days begin and end
	Log     *slog.Logger

	// FeePercent is what the platform keeps of what riders are charged.
	FeePercent int
}

// Service keeps payments, settlements and drivers' statements. Its methods may be called concurrently.
type Service struct {
	db      *db.DB
	queue   Queue
	gateway Gateway
	hooks   map[string]Hook
	rides   Rides
	locks   *jobs.Locker
	clock   clock.Clock
	zone    *time.Location
	log     *slog.Logger

	feePercent int
}

// New returns a service.
func New(d Deps) *Service {
	return &Service{d.DB, d.Queue, d.Gateway, d.Hooks, d.Rides, d.Locks, d.Clock, d.Zone, d.Log, d.FeePercent}
}

// Open writes the payment of a new order. Nothing is asked of the gateway yet.
// The amount must be positive.
func (s *Service) Open(tx *db.Tx, order, rider uuid.UUID, amount money.Amount) error {
	if amount <= 0 {
		return fault.New(fault.Invalid, "amount_not_positive", "a payment of %s cannot be held", amount)
	}
	now := s.clock.Now()
	// One statement: the payer is what the rider has named by now, or nothing.
	return tx.Write(`INSERT INTO payments (order_id, rider_id, amount, status, hold_ref, created_at, changed_at, customer, method)
		SELECT ?, ?, ?, ?, '', ?, ?, COALESCE(MAX(customer), ''), COALESCE(MAX(method), '') FROM payment_means WHERE user_id = ?`,
		order, rider, amount, None, now, now, rider)
}

// Of returns the payments of the orders named, by order; an order without one is not in the map.
func (s *Service) Of(ctx context.Context, orders ...uuid.UUID) (map[uuid.UUID]Payment, error) {
	found := make(map[uuid.UUID]Payment, len(orders))
	if len(orders) == 0 {
		return found, nil
	}
	var rows []Payment
	if err := s.db.Read(ctx).Where("order_id IN ?", orders).Find(&rows).Error; err != nil {
		return nil, err
	}
	for _, p := range rows {
		found[p.OrderID] = p
	}
	return found, nil
}

// In returns an order's payment as the transaction sees it.
func (s *Service) In(tx *db.Tx, order uuid.UUID) (p Payment, err error) {
	err = tx.Where("order_id = ?", order).Take(&p).Error
	return p, err
}
