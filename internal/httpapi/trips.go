package httpapi

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/account"
	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/notify"
	"github.com/spotpool/spotpool/internal/order"
	"github.com/spotpool/spotpool/internal/trip"
)

type tripIn struct {
	Origin           *placeIn   `json:"origin"`
	Destination      *placeIn   `json:"destination"`
	DepartAt         *time.Time `json:"depart_at"`
	Seats            int        `json:"seats"`
	MaxDetourMinutes *int       `json:"max_detour_minutes"`
}

func (in tripIn) offer(driver uuid.UUID, now time.Time) (o trip.Offer, err error) {
	o = trip.Offer{DriverID: driver, Seats: in.Seats, DepartAt: now.Add(trip.UsualLead)}
	if o.Origin, err = in.Origin.place("origin"); err != nil {
		return o, err
	}
	if in.Destination != nil {
		to, err := in.Destination.place("destination")
		if err != nil {
			return o, err
		}
		o.Dest = &to
	}
	if in.DepartAt != nil {
		o.DepartAt = *in.DepartAt
	}
	if in.MaxDetourMinutes != nil {
		// Out of range is out of range; the bound keeps the product from overflowing.
		d := time.Duration(max(-1, min(*in.MaxDetourMinutes, 1<<20))) * time.Minute
		o.MaxDetour = &d
	}
	return o, nil
}

func (s *Server) offerTrip(c *gin.Context, tx *db.Tx, body []byte) (reply, error) {
	in, err := decode[tripIn](body)
	if err != nil {
		return reply{}, err
	}
	offer, err := in.offer(who(c).UserID, s.Clock.Now())
	if err != nil {
		return reply{}, err
	}
	t, err := s.Trips.Offer(tx, offer)
	if err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusCreated, location: "/v1/trips/" + t.ID.String(), body: s.tripOf(t)}, nil
}

// listTrips answers with the driver's own trips; operators see all, or with
// ?mine=1 their own.
func (s *Server) listTrips(c *gin.Context) {
	after, limit, err := pageIn(c)
	if err != nil {
		s.refuse(c, err)
		return
	}
	var trips []trip.Trip
	if me := who(c); me.Role == account.Operator && c.Query("mine") != "1" {
		trips, err = s.Trips.List(c.Request.Context(), after, limit+1)
	} else {
		trips, err = s.Trips.OfDriver(c.Request.Context(), me.UserID, after, limit+1)
	}
	if err != nil {
		s.refuse(c, err)
		return
	}
	sendPage(c, trips, limit, func(t trip.Trip) uuid.UUID { return t.ID }, s.tripOf)
}

// getTrip answers with a trip: in full to its driver and to operators, with
// nobody else's stops to a rider who has, or had, a seat on it.
func (s *Server) getTrip(c *gin.Context) {
	ctx := c.Request.Context()
	id, err := pathID(c, trip.ErrNotFound)
	if err != nil {
		s.refuse(c, err)
		return
	}
	t, err := s.Trips.Get(ctx, id)
	if err != nil {
		s.refuse(c, err)
		return
	}
	// A plan has few stops, so one page holds all orders that ever were on it but a few.
	orders, err := s.Orders.List(ctx, order.Filter{Trip: id}, uuid.Nil, maxLimit)
	if err != nil {
		s.refuse(c, err)
		return
	}
	out := s.tripOf(t)
	me := who(c)
	if me.Role == account.Operator || me.UserID == t.DriverID {
		out.Riders = ridersOf(orders)
		err = s.ratedRiders(ctx, out.Riders)
	} else if !out.narrow(orders, me.UserID) {
		err = trip.ErrNotFound
	}
	if err == nil {
		out.DriverRating, err = s.average(ctx, t.DriverID)
	}
	if err != nil {
		s.refuse(c, err)
		return
	}
	c.Header("ETag", etag(t.Version))
	c.JSON(http.StatusOK, out)
}

func ridersOf(orders []order.Order) []riderOut {
	riders := []riderOut{}
	for _, o := range orders {
		if o.OnPlan() {
			riders = append(riders, riderOut{
				OrderID: o.ID, RiderID: o.RiderID, Status: o.Status, Seats: o.Seats,
				PickupAt: stampOrNil(o.PickupAt), DropoffAt: stampOrNil(o.DropoffAt), RateUntil: rateUntil(o),
			})
		}
	}
	return riders
}

// narrow takes out the stops of others and reports whether the rider has, or had, a seat.
func (t *tripOut) narrow(orders []order.Order, rider uuid.UUID) bool {
	mine := map[uuid.UUID]bool{}
	for _, o := range orders {
		if o.OnPlan() && o.RiderID == rider {
			mine[o.ID] = true
		}
	}
	stops := []stopOut{}
	for _, st := range t.Plan {
		if mine[st.OrderID] {
			stops = append(stops, st)
		}
	}
	t.Plan = stops
	return len(mine) > 0
}

// cancelTrip calls off a trip, for its driver and for operators.
func (s *Server) cancelTrip(c *gin.Context, tx *db.Tx, body []byte) (reply, error) {
	id, err := s.target(c, body, trip.ErrNotFound, "trip_id")
	if err != nil {
		return reply{}, err
	}
	t, err := s.Orders.CancelTrip(tx, id, owner(c))
	if err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusOK, body: s.tripOf(t)}, nil
}

type toldOut struct {
	Event      notify.Event        `json:"event"`
	Total      int                 `json:"total"`
	Told       int                 `json:"told"`
	Waiting    int                 `json:"waiting"`
	NotTold    map[notify.Fate]int `json:"not_told"`
	BegunAt    string              `json:"begun_at"`
	FinishedAt *string             `json:"finished_at"`
}

// tripNotices answers with how people were told of a trip, for its driver and for operators.
func (s *Server) tripNotices(c *gin.Context) {
	id, err := s.driven(c)
	if err != nil {
		s.refuse(c, err)
		return
	}
	told, err := s.Notices.TripTold(c.Request.Context(), id)
	if err != nil {
		s.refuse(c, err)
		return
	}
	out := struct {
		Events []toldOut `json:"events"`
	}{make([]toldOut, len(told))}
	for i, t := range told {
		out.Events[i] = toldOut{t.Event, t.Total, t.Told, t.Waiting, t.Missed, stamp(t.BegunAt), stampOrNil(t.FinishedAt)}
	}
	c.JSON(http.StatusOK, out)
}
