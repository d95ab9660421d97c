package httpapi

import (
	"fmt"
	"log/slog"
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/fault"
	"github.com/spotpool/spotpool/internal/geo"
	"github.com/spotpool/spotpool/internal/notify"
	"github.com/spotpool/spotpool/internal/trip"
)

// What drivers do with their trips, and operators in their stead.

// etag is how a version of a trip is written in ETag and If-Match.
func etag(version int) string { return fmt.Sprintf(`"%d"`, version) }

var errIfMatchMissing = fault.New(fault.Unconditional, "if_match_missing", "send the ETag of the trip as you know it as If-Match")

// version returns which version of a trip a change is meant for: 0 is any. What is no
// ETag of ours is no version of the trip.
func version(c *gin.Context) (int, error) {
	text := c.GetHeader("If-Match")
	switch text {
	case "":
		return 0, errIfMatchMissing
	case "*":
		return 0, nil
	}
	digits, _ := strconv.Unquote(text)
	if n, _ := strconv.Atoi(digits); n > 0 && text == etag(n) {
		return n, nil
	}
	return -1, nil
}

type tripChangeIn struct {
	Seats *int `json:"seats"`
}

// changeTrip changes how many seats a trip has.
func (s *Server) changeTrip(c *gin.Context, tx *db.Tx, body []byte) (reply, error) {
	id, err := pathID(c, trip.ErrNotFound)
	if err != nil {
		return reply{}, err
	}
	in, err := decode[tripChangeIn](body)
	if err != nil {
		return reply{}, err
	}
	if in.Seats == nil {
		return reply{}, missing("seats")
	}
	known, err := version(c)
	if err != nil {
		return reply{}, err
	}
	t, err := s.Trips.SetSeats(tx, id, owner(c), known, *in.Seats)
	if err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusOK, body: s.tripOf(t)}, nil
}

// drive answers with what becomes of a trip.
func (s *Server) drive(do func(tx *db.Tx, id, driver uuid.UUID) (trip.Trip, error)) writer {
	return func(c *gin.Context, tx *db.Tx, body []byte) (reply, error) {
		id, err := s.target(c, body, trip.ErrNotFound, "trip_id")
		if err != nil {
			return reply{}, err
		}
		t, err := do(tx, id, owner(c))
		if err != nil {
			return reply{}, err
		}
		return reply{status: http.StatusOK, body: s.tripOf(t)}, nil
	}
}

// atStop records an act at a stop.
func (s *Server) atStop(a trip.Act) writer {
	return func(c *gin.Context, tx *db.Tx, body []byte) (reply, error) {
		n, err := strconv.Atoi(c.Param("n"))
		if err != nil {
			n = 0 // names no stop
		}
		return s.drive(func(tx *db.Tx, id, driver uuid.UUID) (trip.Trip, error) {
			return s.Orders.Act(tx, id, driver, n, a)
		})(c, tx, body)
	}
}

type positionIn struct {
	Lat *float64 `json:"lat"`
	Lng *float64 `json:"lng"`
}

func (in positionIn) point() (geo.Point, error) {
	switch {
	case in.Lat == nil:
		return geo.Point{}, missing("lat")
	case in.Lng == nil:
		return geo.Point{}, missing("lng")
	}
	here := trip.Place{Point: geo.Point{Lat: *in.Lat, Lng: *in.Lng}}
	return here.Point, here.Check("position")
}

// position shows where a trip's vehicle is. It is kept in Redis alone, under no key: a
// position that comes twice is as good as one.
func (s *Server) position(c *gin.Context, _ keyRow, body []byte) (storedAnswer, error) {
	id, err := pathID(c, trip.ErrNotFound)
	if err != nil {
		return storedAnswer{}, err
	}
	in, err := decode[positionIn](body)
	if err != nil {
		return storedAnswer{}, err
	}
	here, err := in.point()
	if err != nil {
		return storedAnswer{}, err
	}
	s.annotate(c, slog.String("trip_id", id.String()))
	ctx := c.Request.Context()
	t, err := s.Trips.Seen(ctx, id, owner(c), here)
	if err != nil {
		return storedAnswer{}, err
	}
	where := trip.Position{Point: here, At: s.Clock.Now()}
	if err := s.Whereabouts.Put(ctx, id, where); err != nil {
		return storedAnswer{}, fault.Wrap(err, fault.Unavailable, "redis_unavailable", "Redis does not answer, and positions are kept only there")
	}
	s.Hub.Publish(ctx, notify.TripTopic(id))
	for _, order := range t.Plan.Pending() {
		s.Hub.Publish(ctx, notify.OrderTopic(order))
	}
	return storedAnswer{Status: http.StatusOK, Body: asJSON(positionOf(id, where))}, nil
}

// driven returns the id of the trip in the path, or trip.ErrNotFound unless it is the
// signed-in user's to drive.
func (s *Server) driven(c *gin.Context) (uuid.UUID, error) {
	id, err := pathID(c, trip.ErrNotFound)
	if err != nil {
		return id, err
	}
	t, err := s.Trips.Get(c.Request.Context(), id)
	if me := owner(c); err == nil && me != uuid.Nil && me != t.DriverID {
		err = trip.ErrNotFound
	}
	return id, err
}
