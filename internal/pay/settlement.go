package pay

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/fault"
	"github.com/spotpool/spotpool/internal/money"
)

// Bill is what is settled together for one driver: the orders of a trip that is
// over, or an order whose late cancel costs something.
type Bill struct {
	ID      uuid.UUID // of the trip, or made of the order's
	Driver  uuid.UUID
	Departs time.Time // when the trip did, or was to: the day it counts for
	Charges []Charge
}

// Charge is what one order is to pay.
type Charge struct {
	Order  uuid.UUID
	Amount money.Amount
}

// Settlement is how a bill's money was shared out: Fares = Share + Fee.
type Settlement struct {
	ID         uuid.UUID `gorm:"primaryKey"`
	DriverID   uuid.UUID
	Day        clock.Day
	Rides      int          // orders that were charged and not refunded
	Fares      money.Amount // what they were charged
	Share      money.Amount // of the driver
	Fee        money.Amount // of the platform
	FeePercent int          // of the fares, as it was set then
	DisputedAt *time.Time   // when its time for disputes was over: from then on nothing is refunded
	PaidAt     *time.Time   // when the driver's share was paid out
	CreatedAt  time.Time
}

// TableName implements gorm's Tabler.
func (Settlement) TableName() string { return "settlements" }

// Faults about settlements.
var (
	// ErrNotSettled says that a payment's settlement is still under way.
	ErrNotSettled = fault.New(fault.Conflict, "not_settled", "the payment has not been settled yet")
	// ErrDisputesOver says that the time in which a payment could be refunded is over.
	ErrDisputesOver = fault.New(fault.Conflict, "disputes_over", "the time for disputes is over")

	errNoSettlement = fault.New(fault.NotFound, "settlement_not_found", "no such settlement")
)

// settlement returns one settlement, or errNoSettlement.
func (s *Service) settlement(ctx context.Context, id uuid.UUID) (st Settlement, err error) {
	err = s.db.Read(ctx).Where("id = ?", id).Take(&st).Error
	if errors.Is(err, db.ErrNotFound) {
		err = errNoSettlement
	}
	return st, err
}

// lockSettlement is settlement for a row that stays locked until the transaction ends.
func lockSettlement(tx *db.Tx, id uuid.UUID) (st Settlement, err error) {
	err = tx.Clauses(db.ForUpdate).Where("id = ?", id).Take(&st).Error
	if errors.Is(err, db.ErrNotFound) {
		err = errNoSettlement
	}
	return st, err
}

// Settled is what a driver's settlements of one day come to.
type Settled struct {
	Rides   int
	Fares   money.Amount
	Fee     money.Amount // kept by the platform
	Share   money.Amount // of the driver
	PaidOut money.Amount // of the share
}

// Settled returns what a driver's trips of a day have come to by now. It grows until
// the last of them is settled and paid out.
func (s *Service) Settled(ctx context.Context, driver uuid.UUID, day clock.Day) (sum Settled, err error) {
	err = s.db.Read(ctx).Raw(`SELECT COALESCE(SUM(rides), 0) AS rides, COALESCE(SUM(fares), 0) AS fares, COALESCE(SUM(fee), 0) AS fee,
		COALESCE(SUM(share), 0) AS share, COALESCE(SUM(CASE WHEN paid_at IS NULL THEN 0 ELSE share END), 0) AS paid_out
		FROM settlements WHERE driver_id = ? AND day = ?`, driver, day).Scan(&sum).Error
	return sum, err
}

// Earners returns the drivers who have settlements of a day.
func Earners(g *gorm.DB, day clock.Day) (drivers []uuid.UUID, err error) {
	err = g.Raw("SELECT DISTINCT driver_id FROM settlements WHERE day = ?", day).Scan(&drivers).Error
	return drivers, err
}

// Charged returns what of an order's hold was charged, and whether it was taken
// rather than left owed. It returns ErrNotFound when the order has no payment.
func (s *Service) Charged(ctx context.Context, order uuid.UUID) (held, charged money.Amount, taken bool, err error) {
	p, err := s.get(ctx, order)
	return p.Amount, p.Charged, p.Status != Owed, err
}

// Earned returns how a settlement was shared out, or a fault of the kind NotFound.
func (s *Service) Earned(ctx context.Context, id uuid.UUID) (fares, fee, share money.Amount, err error) {
	st, err := s.settlement(ctx, id)
	return st.Fares, st.Fee, st.Share, err
}
