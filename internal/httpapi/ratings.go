package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/account"
	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/order"
	"github.com/spotpool/spotpool/internal/rating"
)

type ratingIn struct {
	Stars   *int   `json:"stars"`
	Comment string `json:"comment"`
}

type ratingOut struct {
	By        rating.Party `json:"by"`
	Stars     int          `json:"stars"`
	Comment   string       `json:"comment"`
	CreatedAt string       `json:"created_at"`
}

func ratingOf(r rating.Rating) ratingOut {
	return ratingOut{r.Party, r.Stars, r.Comment, stamp(r.CreatedAt)}
}

// averageOut is what somebody's ratings come to, to one decimal; without any, nothing
// is shown.
type averageOut struct {
	Average float64 `json:"average"`
	Sum     int     `json:"sum"`
	Count   int     `json:"count"`
}

func averageOf(a rating.Average) *averageOut {
	if a.Count == 0 {
		return nil
	}
	return &averageOut{float64(a.Tenths()) / 10, a.Sum, a.Count}
}

// rateOrder keeps what an order's rider thinks of its driver, or the driver of the rider.
func (s *Server) rateOrder(c *gin.Context, tx *db.Tx, body []byte) (reply, error) {
	id, err := pathID(c, order.ErrNotFound)
	if err != nil {
		return reply{}, err
	}
	s.annotate(c, slog.String("order_id", id.String()))
	in, err := decode[ratingIn](body)
	if err != nil {
		return reply{}, err
	}
	if in.Stars == nil {
		return reply{}, missing("stars")
	}
	r, err := s.Ratings.Rate(tx, id, who(c).UserID, *in.Stars, in.Comment)
	if errors.Is(err, rating.ErrNotParty) && who(c).Role != account.Operator {
		err = order.ErrNotFound
	}
	if err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusOK, body: ratingOf(r)}, nil
}

// rateUntil returns until when an order may be rated, if it may at all.
func rateUntil(o order.Order) *string {
	if o.Status != order.Completed || o.DropoffAt == nil {
		return nil
	}
	return stampOrNone(o.DropoffAt.Add(rating.Window))
}

// rated adds to an order what its rider, or an operator, sees of ratings: the driver's
// average, until when the ride may be rated, and what was given.
func (s *Server) rated(c *gin.Context, o order.Order, out *orderOut) error {
	ctx := c.Request.Context()
	if !o.TripID.Valid {
		return nil
	}
	t, err := s.Trips.Get(ctx, o.TripID.UUID)
	if err != nil {
		return err
	}
	if out.DriverRating, err = s.average(ctx, t.DriverID); err != nil {
		return err
	}
	if out.RateUntil = rateUntil(o); out.RateUntil == nil {
		return nil
	}
	given, err := s.Ratings.Of(ctx, o.ID)
	for _, r := range given {
		if r.RaterID == who(c).UserID || who(c).Role == account.Operator {
			out.Ratings = append(out.Ratings, ratingOf(r))
		}
	}
	return err
}

func (s *Server) average(ctx context.Context, person uuid.UUID) (*averageOut, error) {
	averages, err := s.Ratings.Averages(ctx, person)
	return averageOf(averages[person]), err
}

// ratedRiders adds to the riders of a trip what its driver sees of ratings: the riders'
// averages, and what the driver gave.
func (s *Server) ratedRiders(ctx context.Context, riders []riderOut) error {
	people, rides := make([]uuid.UUID, len(riders)), make([]uuid.UUID, len(riders))
	for i, r := range riders {
		people[i], rides[i] = r.RiderID, r.OrderID
	}
	averages, err := s.Ratings.Averages(ctx, people...)
	if err != nil {
		return err
	}
	given, err := s.Ratings.Of(ctx, rides...)
	if err != nil {
		return err
	}
	for i := range riders {
		r := &riders[i]
		r.RiderRating = averageOf(averages[r.RiderID])
		for _, g := range given {
			if g.OrderID == r.OrderID && g.Party == rating.Driver {
				r.Rating = new(ratingOf(g))
			}
		}
	}
	return nil
}
