package trip

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/geo"
)

// row is a trip as the table holds it.
type row struct {
	ID         uuid.UUID
	DriverID   uuid.UUID
	Status     Status
	Seats      int
	SeatsLeft  int
	Origin     Place    `gorm:"embedded;embeddedPrefix:origin_"`
	EndLat     *float64 // NULL, as all three, without a destination
	EndLng     *float64
	EndName    *string
	DepartAt   time.Time
	ArriveAt   time.Time
	MaxDetourS int64
	Plan       Plan
	Abandoned  bool
	Version    int
	CreatedAt  time.Time
	ChangedAt  time.Time
}

// TableName tells gorm where the rows live.
func (row) TableName() string { return "trips" }

func (r row) trip() Trip {
	t := Trip{
		ID: r.ID, DriverID: r.DriverID, Status: r.Status, Seats: r.Seats, SeatsLeft: r.SeatsLeft,
		Origin:   r.Origin,
		DepartAt: r.DepartAt.UTC(), ArriveAt: r.ArriveAt.UTC(),
		MaxDetour: time.Duration(r.MaxDetourS) * time.Second, Plan: r.Plan, Abandoned: r.Abandoned, Version: r.Version,
		CreatedAt: r.CreatedAt.UTC(), ChangedAt: r.ChangedAt.UTC(),
	}
	if r.EndLat != nil && r.EndLng != nil && r.EndName != nil {
		t.Dest = &Place{geo.Point{Lat: *r.EndLat, Lng: *r.EndLng}, *r.EndName}
	}
	return t
}

func insert(tx *db.Tx, t Trip) error {
	r := row{
		ID: t.ID, DriverID: t.DriverID, Status: t.Status, Seats: t.Seats, SeatsLeft: t.SeatsLeft,
		Origin:   t.Origin,
		DepartAt: t.DepartAt, ArriveAt: t.ArriveAt, MaxDetourS: int64(t.MaxDetour / time.Second),
		Plan: t.Plan, Version: t.Version, CreatedAt: t.CreatedAt, ChangedAt: t.ChangedAt,
	}
	if t.Dest != nil {
		r.EndLat, r.EndLng, r.EndName = &t.Dest.Lat, &t.Dest.Lng, &t.Dest.Name
	}
	return tx.Create(&r).Error
}

func get(q *gorm.DB, id uuid.UUID) (Trip, error) {
	var r row
	err := q.Where("id = ?", id).Take(&r).Error
	if errors.Is(err, db.ErrNotFound) {
		return Trip{}, ErrNotFound
	}
	return r.trip(), err
}

func page(q *gorm.DB, after uuid.UUID, limit int) ([]Trip, error) {
	if after != uuid.Nil {
		q = q.Where("id < ?", after)
	}
	return find(q.Order("id DESC").Limit(limit))
}

func find(q *gorm.DB) ([]Trip, error) {
	var rows []row
	if err := q.Find(&rows).Error; err != nil {
		return nil, err
	}
	trips := make([]Trip, len(rows))
	for i, r := range rows {
		trips[i] = r.trip()
	}
	return trips, nil
}

// Mark names one version of a trip.
type Mark struct {
	ID      uuid.UUID
	Version int
}

// Changed returns the newest versions of the trips changed at or after the given
// time, whatever their status; an index alone answers it. A change becomes visible
// at its commit, which is later than its time: ask with an overlap.
func (s *Service) Changed(ctx context.Context, since time.Time) (marks []Mark, err error) {
	err = s.db.Read(ctx).Raw("SELECT id, version FROM trips WHERE changed_at >= ?", since).Scan(&marks).Error
	return marks, err
}

// TakingOrders returns the versions of all trips that take orders at the given time.
func (s *Service) TakingOrders(ctx context.Context, now time.Time) (marks []Mark, err error) {
	err = s.db.Read(ctx).Raw("SELECT id, version FROM trips WHERE status = ? AND depart_at > ?", Open, now).Scan(&marks).Error
	return marks, err
}

// Load returns the trips with the given ids, in no order; those that do not exist are left out.
func (s *Service) Load(ctx context.Context, ids ...uuid.UUID) ([]Trip, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	return find(s.db.Read(ctx).Where("id IN ?", ids))
}
