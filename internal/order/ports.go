package order

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/geo"
	"github.com/spotpool/spotpool/internal/match"
	"github.com/spotpool/spotpool/internal/notify"
	"github.com/spotpool/spotpool/internal/rating"
	"github.com/spotpool/spotpool/internal/trip"
)

// What matching, notices and ratings ask of orders: match.Orders, notify.Rides and
// rating.Rides.

// Request returns what an order asks of a trip, and whether it waits for one.
func (s *Service) Request(ctx context.Context, id uuid.UUID) (match.Request, bool, error) {
	o, err := s.Get(ctx, id)
	return o.request(), o.Status == Matching, err
}

func (o Order) request() match.Request {
	return match.Request{
		OrderID: o.ID, Origin: o.Origin, Dest: o.Dest, Seats: o.Seats,
		Earliest: o.DepartAfter, Latest: o.ArriveBefore, DecideBy: o.MatchUntil,
	}
}

// Matched moves an order from matching to matched, in the transaction that
// puts it on the trip's plan.
func (s *Service) Matched(tx *db.Tx, id, tripID uuid.UUID, pickupAt, dropoffAt time.Time) error {
	return s.move(tx, id, Matched, "", "trip_id = ?, pickup_at = ?, dropoff_at = ?, matched_at = ?",
		tripID, pickupAt, dropoffAt, s.clock.Now())
}

// Untold returns up to limit orders that are matched and not confirmed yet.
func (s *Service) Untold(ctx context.Context, limit int) (ids []uuid.UUID, err error) {
	err = s.db.Read(ctx).Raw("SELECT id FROM orders WHERE status = ? LIMIT ?", Matched, limit).Scan(&ids).Error
	return ids, err
}

// Waiting returns up to limit orders that wait for a trip and start within the
// box, nearest deadline first.
func (s *Service) Waiting(ctx context.Context, near geo.Box, limit int) ([]match.Request, error) {
	var rows []row
	err := s.db.Read(ctx).Where("status = ? AND match_until > ?", Matching, s.clock.Now()).
		Where("origin_lat BETWEEN ? AND ? AND origin_lng BETWEEN ? AND ?", near.MinLat, near.MaxLat, near.MinLng, near.MaxLng).
		Order("match_until").Limit(limit).Find(&rows).Error
	requests := make([]match.Request, len(rows))
	for i, r := range rows {
		requests[i] = r.order().request()
	}
	return requests, err
}

// Ride returns who is concerned by an order and what there is to say about it, or ErrNotFound.
func (s *Service) Ride(ctx context.Context, id uuid.UUID) (notify.Ride, error) {
	rides, err := s.Rides(ctx, id)
	if err != nil {
		return notify.Ride{}, err
	}
	if len(rides) == 0 {
		return notify.Ride{}, ErrNotFound
	}
	return rides[0], nil
}

// Rides is Ride for several orders, each trip read once; orders that do not exist are
// left out.
func (s *Service) Rides(ctx context.Context, ids ...uuid.UUID) ([]notify.Ride, error) {
	var rows []row
	if err := s.db.Read(ctx).Where("id IN ?", ids).Order("id").Find(&rows).Error; err != nil {
		return nil, err
	}
	var on []uuid.UUID
	for _, r := range rows {
		if r.TripID.Valid && !slices.Contains(on, r.TripID.UUID) {
			on = append(on, r.TripID.UUID)
		}
	}
	trips, err := s.trips.Load(ctx, on...)
	if err != nil {
		return nil, err
	}
	rides := make([]notify.Ride, len(rows))
	for i, r := range rows {
		o := r.order()
		rides[i] = o.ride()
		if n := slices.IndexFunc(trips, func(t trip.Trip) bool { return t.ID == o.TripID.UUID }); n >= 0 {
			o.rideOn(trips[n], &rides[i])
		}
	}
	return rides, nil
}

// ride returns what there is to say about an order without its trip.
func (o Order) ride() notify.Ride {
	return notify.Ride{
		OrderID: o.ID, RiderID: o.RiderID, Aboard: o.Status == Riding, Arrived: o.Status == Completed,
		Over: o.Status == Cancelled || o.Status == Expired, Round: o.Rematches, Fee: o.Fee,
		Origin: o.Origin.Name, Dest: o.Dest.Name,
	}
}

// rideOn adds what there is to say about it on its trip.
func (o Order) rideOn(t trip.Trip, r *notify.Ride) {
	o.retime(t.Plan)
	r.TripID, r.DriverID, r.PickupAt, r.ArriveAt = t.ID, t.DriverID, *o.PickupAt, *o.DropoffAt
	r.Seated = o.Seated() && t.Status != trip.Cancelled
	r.Shared = slices.ContainsFunc(t.Plan, func(s trip.Stop) bool { return s.OrderID != o.ID })
}

// Sharing returns the riders of the orders that share a car with the one named.
func (s *Service) Sharing(ctx context.Context, id uuid.UUID) (riders []uuid.UUID, err error) {
	err = s.db.Read(ctx).Raw(`SELECT DISTINCT o.rider_id FROM orders me JOIN orders o ON o.trip_id = me.trip_id
		WHERE me.id = ? AND o.status IN ? AND o.rider_id <> me.rider_id`, id, seated).Scan(&riders).Error
	return riders, err
}

// Departure returns what there is to say about a trip.
func (s *Service) Departure(ctx context.Context, id uuid.UUID) (notify.Departure, error) {
	t, err := s.trips.Get(ctx, id)
	d := notify.Departure{DriverID: t.DriverID, At: t.DepartAt, Origin: t.Origin.Name}
	if t.Dest != nil {
		d.Dest = t.Dest.Name
	}
	return d, err
}

// Upcoming returns the riders whose orders start in an area and wait for a trip or
// for a pickup, of up to limit orders after the one named, and the last of those
// orders; Nil when there are no more.
func (s *Service) Upcoming(ctx context.Context, in notify.Area, after uuid.UUID, limit int) (riders []uuid.UUID, last uuid.UUID, err error) {
	var rows []row
	err = s.upcoming(ctx, in).Select("id, rider_id, origin_lat, origin_lng").Where("id > ?", after).
		Order("id").Limit(limit).Find(&rows).Error
	for _, r := range rows {
		if in.Holds(r.Origin.Point) && !slices.Contains(riders, r.RiderID) {
			riders = append(riders, r.RiderID)
		}
	}
	if len(rows) == limit {
		last = rows[limit-1].ID
	}
	return riders, last, err
}

// Ridden locks an order and returns its ride, without a driver when it has no trip.
func (s *Service) Ridden(tx *db.Tx, id uuid.UUID) (rating.Ride, error) {
	o, err := lock(tx, id)
	if err != nil || !o.TripID.Valid {
		return rating.Ride{Rider: o.RiderID}, err
	}
	t, err := s.trips.Get(tx.Statement.Context, o.TripID.UUID)
	ride := rating.Ride{Rider: o.RiderID, Driver: t.DriverID}
	if o.Status == Completed {
		ride.Over = o.DropoffAt
	}
	return ride, err
}

// UpcomingCount returns how many orders Upcoming looks at in all: those that start in the
// square around an area.
func (s *Service) UpcomingCount(ctx context.Context, in notify.Area) (int, error) {
	var n int64
	err := s.upcoming(ctx, in).Model(&row{}).Count(&n).Error
	return int(n), err
}

func (s *Service) upcoming(ctx context.Context, in notify.Area) *gorm.DB {
	now, box := s.clock.Now(), geo.Around(float64(in.Radius), in.Point)
	return s.db.Read(ctx).
		Where("(status = ? AND match_until > ?) OR (status IN ? AND pickup_at > ?)", Matching, now, []Status{Matched, Confirmed}, now).
		Where("origin_lat BETWEEN ? AND ? AND origin_lng BETWEEN ? AND ?", box.MinLat, box.MaxLat, box.MinLng, box.MaxLng)
}
