package rating

import (
	"context"
	"slices"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/fault"
	"github.com/spotpool/spotpool/internal/jobs"
)

// Rides tells who rode with whom; order.Service is one.
type Rides interface {
	// Ridden locks an order and returns its ride, without a driver when it has no
	// trip. It fails with a fault of the kind NotFound when there is no such order.
	Ridden(tx *db.Tx, order uuid.UUID) (Ride, error)
}

// Queue starts jobs; *jobs.Client is one.
type Queue interface {
	Dispatch(tx *db.Tx, jobs ...jobs.Job) error
}

// Service keeps ratings. Its methods may be called concurrently.
type Service struct {
	db    *db.DB
	queue Queue
	rides Rides
	clock clock.Clock
}

// New returns a service.
func New(d *db.DB, q Queue, r Rides, c clock.Clock) *Service { return &Service{d, q, r, c} }

// Rate keeps what somebody thinks of the other party of an order. The same rating
// given again changes nothing. It returns the Invalid faults stars_out_of_range,
// comment_too_long and comment_unprintable, or ErrNotParty, ErrNotRidden, ErrRated,
// ErrClosed, or what Ridden returns.
func (s *Service) Rate(tx *db.Tx, order, by uuid.UUID, stars int, comment string) (Rating, error) {
	if stars < MinStars || stars > MaxStars {
		return Rating{}, fault.Fieldf("stars", "stars_out_of_range", "stars must be from %d to %d", MinStars, MaxStars)
	}
	comment, err := clean(comment)
	if err != nil {
		return Rating{}, err
	}
	ride, err := s.rides.Ridden(tx, order)
	if err != nil {
		return Rating{}, err
	}
	party, other, ok := ride.party(by)
	switch {
	case !ok:
		return Rating{}, ErrNotParty
	case ride.Over == nil:
		return Rating{}, ErrNotRidden
	}
	return s.give(tx, ride, Rating{OrderID: order, Party: party, RaterID: by, RateeID: other, Stars: stars, Comment: comment})
}

// give writes a rating of an order that the transaction has locked. The second of the
// two lets both count: until then neither learns from an average what the other gave.
func (s *Service) give(tx *db.Tx, ride Ride, r Rating) (Rating, error) {
	given, err := of(tx.DB, r.OrderID)
	if err != nil {
		return r, err
	}
	if i := slices.IndexFunc(given, func(g Rating) bool { return g.Party == r.Party }); i >= 0 {
		if g := given[i]; g.Stars == r.Stars && g.Comment == r.Comment {
			return g, nil
		}
		return r, ErrRated
	}
	now := s.clock.Now()
	r.CreatedAt, r.CountsAt = now, ride.Over.Add(Window)
	if r.CountsAt.Before(now) {
		return r, ErrClosed
	}
	if len(given) > 0 {
		r.CountsAt = now
		if _, err := tx.Change("UPDATE ratings SET counts_at = ? WHERE order_id = ?", now, r.OrderID); err != nil {
			return r, err
		}
	}
	return r, tx.Create(&r).Error
}

// Of returns the ratings of the orders named, in no order.
func (s *Service) Of(ctx context.Context, orders ...uuid.UUID) ([]Rating, error) {
	return of(s.db.Read(ctx), orders...)
}

func of(g *gorm.DB, orders ...uuid.UUID) (given []Rating, err error) {
	if len(orders) == 0 {
		return nil, nil
	}
	err = g.Where("order_id IN ?", orders).Find(&given).Error
	return given, err
}

// Averages returns what the ratings of the people named come to by now; who has none
// that counts is not in the map.
func (s *Service) Averages(ctx context.Context, people ...uuid.UUID) (map[uuid.UUID]Average, error) {
	found := make(map[uuid.UUID]Average, len(people))
	if len(people) == 0 {
		return found, nil
	}
	var rows []struct {
		RateeID    uuid.UUID
		Sum, Count int
	}
	err := s.db.Read(ctx).Raw(`SELECT ratee_id, SUM(stars) AS sum, COUNT(*) AS count FROM ratings
		WHERE ratee_id IN ? AND counts_at <= ? GROUP BY ratee_id`, people, s.clock.Now()).Scan(&rows).Error
	for _, r := range rows {
		found[r.RateeID] = Average{r.Sum, r.Count}
	}
	return found, err
}
