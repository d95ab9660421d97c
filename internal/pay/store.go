package pay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
)

// get returns the payment of one order, or ErrNotFound.
func (s *Service) get(ctx context.Context, order uuid.UUID) (Payment, error) {
	var p Payment
	err := s.db.Read(ctx).Where("order_id = ?", order).Take(&p).Error
	if errors.Is(err, db.ErrNotFound) {
		return Payment{}, ErrNotFound
	}
	return p, err
}

// lock is get for a payment whose row stays locked until the transaction ends.
func lock(tx *db.Tx, order uuid.UUID) (Payment, error) {
	var p Payment
	err := tx.Clauses(db.ForUpdate).Where("order_id = ?", order).Take(&p).Error
	if errors.Is(err, db.ErrNotFound) {
		return Payment{}, ErrNotFound
	}
	return p, err
}

// change moves a payment from the status it was read with to another, together
// with the columns that set names. Its error, when another run was faster, lets the
// job try again from what is true now.
func change(tx *db.Tx, p Payment, to Status, at time.Time, set string, args ...any) error {
	if !p.Status.Can(to) {
		return ErrClosed
	}
	if set != "" {
		set = ", " + set
	}
	args = append(append([]any{to, at}, args...), p.OrderID, p.Status)
	n, err := tx.Change("UPDATE payments SET status = ?, changed_at = ?, void_failed_at = NULL"+set+
		" WHERE order_id = ? AND status = ? AND closed_at IS NULL", args...)
	if err == nil && n == 0 {
		return overtaken(p)
	}
	return err
}

// overtaken says that another run has moved p on since it was read.
func overtaken(p Payment) error { return fmt.Errorf("payment is no longer %s", p.Status) }
