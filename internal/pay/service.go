package pay

import (
	"context"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/fault"
	"github.com/spotpool/spotpool/internal/money"
)

// Service keeps payments. Its methods may be called concurrently.
type Service struct {
	db      *db.DB
	gateway Gateway
	clock   clock.Clock
}

// New returns a service that holds money at gateway.
func New(d *db.DB, gateway Gateway, clk clock.Clock) *Service {
	return &Service{db: d, gateway: gateway, clock: clk}
}

// Open writes the payment of a new order. Nothing is asked of the gateway yet.
// The amount must be positive.
func (s *Service) Open(tx *db.Tx, order, rider uuid.UUID, amount money.Amount) error {
	if amount <= 0 {
		return fault.New(fault.Invalid, "amount_not_positive", "a payment of %s cannot be held", amount)
	}
	now := s.clock.Now()
	return tx.Create(&Payment{OrderID: order, RiderID: rider, Amount: amount, Status: None,
		CreatedAt: now, ChangedAt: now}).Error
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

// StatusIn returns the status of an order's payment as the transaction sees it.
func (s *Service) StatusIn(tx *db.Tx, order uuid.UUID) (status Status, err error) {
	err = tx.Raw("SELECT status FROM payments WHERE order_id = ?", order).Scan(&status).Error
	return status, err
}
