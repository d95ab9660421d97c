package order

import (
	"errors"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/fare"
	"github.com/spotpool/spotpool/internal/money"
	"github.com/spotpool/spotpool/internal/trip"
)

// row is an order as the table holds it.
type row struct {
	ID           uuid.UUID
	RiderID      uuid.UUID
	Status       Status
	Reason       string
	Seats        int
	Origin       trip.Place `gorm:"embedded;embeddedPrefix:origin_"`
	Dest         trip.Place `gorm:"embedded;embeddedPrefix:dest_"`
	DepartAfter  time.Time
	ArriveBefore time.Time
	MatchUntil   time.Time
	Rematches    int
	DistanceM    int
	DurationS    int64
	Fare         money.Amount // the solo price
	FarePooled   money.Amount
	CancelFee    money.Amount
	TripID       uuid.NullUUID
	PickupAt     *time.Time
	DropoffAt    *time.Time
	MatchedAt    *time.Time
	ConfirmedAt  *time.Time
	Version      int
	CreatedAt    time.Time
	ChangedAt    time.Time
}

// TableName tells gorm where the rows live.
func (row) TableName() string { return "orders" }

func (r row) order() Order {
	return Order{
		ID: r.ID, RiderID: r.RiderID, Status: r.Status, Reason: r.Reason, Seats: r.Seats,
		Origin: r.Origin, Dest: r.Dest,
		DepartAfter: r.DepartAfter, ArriveBefore: r.ArriveBefore, MatchUntil: r.MatchUntil, Rematches: r.Rematches,
		Metres: r.DistanceM, Duration: time.Duration(r.DurationS) * time.Second, Price: fare.Price{Solo: r.Fare, Pooled: r.FarePooled}, Fee: r.CancelFee,
		TripID: r.TripID, PickupAt: r.PickupAt, Promised: r.PickupAt, DropoffAt: r.DropoffAt, MatchedAt: r.MatchedAt, ConfirmedAt: r.ConfirmedAt,
		Version: r.Version, CreatedAt: r.CreatedAt, ChangedAt: r.ChangedAt,
	}
}

// insert writes a new order and its first event.
func insert(tx *db.Tx, o Order) error {
	err := tx.Create(&row{
		ID: o.ID, RiderID: o.RiderID, Status: o.Status, Seats: o.Seats,
		Origin: o.Origin, Dest: o.Dest,
		DepartAfter: o.DepartAfter, ArriveBefore: o.ArriveBefore, MatchUntil: o.MatchUntil,
		DistanceM: o.Metres, DurationS: int64(o.Duration / time.Second), Fare: o.Price.Solo, FarePooled: o.Price.Pooled,
		Version: o.Version, CreatedAt: o.CreatedAt, ChangedAt: o.ChangedAt,
	}).Error
	if err != nil {
		return err
	}
	return recordEvent(tx, o.ID, o.CreatedAt)
}

func get(g *gorm.DB, id uuid.UUID) (Order, error) {
	var r row
	err := g.Where("id = ?", id).Take(&r).Error
	if errors.Is(err, db.ErrNotFound) {
		return Order{}, ErrNotFound
	}
	return r.order(), err
}

// lock reads an order and locks its row until the transaction ends.
func lock(tx *db.Tx, id uuid.UUID) (Order, error) { return get(tx.Clauses(db.ForUpdate), id) }

func list(g *gorm.DB, f Filter, after uuid.UUID, limit int) ([]Order, error) {
	if f.Rider != uuid.Nil {
		g = g.Where("rider_id = ?", f.Rider)
	}
	if f.Trip != uuid.Nil {
		g = g.Where("trip_id = ?", f.Trip)
	}
	if f.Status != "" {
		g = g.Where("status = ?", f.Status)
	}
	if after != uuid.Nil {
		g = g.Where("id < ?", after)
	}
	var rows []row
	err := g.Order("id DESC").Limit(limit).Find(&rows).Error
	orders := make([]Order, len(rows))
	for i, r := range rows {
		orders[i] = r.order()
	}
	return orders, err
}
