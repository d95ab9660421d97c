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

// change moves a payment from the status it was read with to another. Its
// error, when another run was faster, lets the job try again from what is true now.
func change(tx *db.Tx, p Payment, to Status, ref string, at time.Time) error {
	if !p.Status.Can(to) {
		return ErrClosed
	}
	n, err := tx.Change(
		"UPDATE payments SET status = ?, hold_ref = ?, void_failed_at = NULL, changed_at = ? WHERE order_id = ? AND status = ? AND closed_at IS NULL",
		to, ref, at, p.OrderID, p.Status)
	if err == nil && n == 0 {
		return fmt.Errorf("payment is no longer %s", p.Status)
	}
	return err
}
