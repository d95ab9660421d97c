package order

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/geo"
	"github.com/spotpool/spotpool/internal/match"
	"github.com/spotpool/spotpool/internal/notify"
	"github.com/spotpool/spotpool/internal/rating"
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

// Ride returns who is concerned by an order and what there is to say about it.
func (s *Service) Ride(ctx context.Context, id uuid.UUID) (notify.Ride, error) {
	o, err := get(s.db.Read(ctx), id)
	if err != nil {
		return notify.Ride{}, err
	}
	ride := notify.Ride{
		OrderID: o.ID, RiderID: o.RiderID,
		Seated: o.Seated(), Aboard: o.Status == Riding, Round: o.Rematches, Fee: o.Fee,
		Origin: o.Origin.Name, Dest: o.Dest.Name,
	}
	if !o.TripID.Valid {
		return ride, nil
	}
	t, err := s.trips.Get(ctx, o.TripID.UUID)
	if err != nil {
		return notify.Ride{}, err
	}
	o.retime(t.Plan)
	ride.DriverID, ride.PickupAt, ride.ArriveAt = t.DriverID, *o.PickupAt, *o.DropoffAt
	return ride, nil
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
	now, box := s.clock.Now(), geo.Around(float64(in.Radius), in.Point)
	var rows []row
	err = s.db.Read(ctx).Select("id, rider_id, origin_lat, origin_lng").Where("id > ?", after).
		Where("(status = ? AND match_until > ?) OR (status IN ? AND pickup_at > ?)", Matching, now, []Status{Matched, Confirmed}, now).
		Where("origin_lat BETWEEN ? AND ? AND origin_lng BETWEEN ? AND ?", box.MinLat, box.MaxLat, box.MinLng, box.MaxLng).
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
