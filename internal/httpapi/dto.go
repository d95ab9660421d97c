package httpapi

import (
	"encoding/json"
	"regexp"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/geo"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/money"
	"github.com/spotpool/spotpool/internal/notify"
	"github.com/spotpool/spotpool/internal/order"
	"github.com/spotpool/spotpool/internal/pay"
	"github.com/spotpool/spotpool/internal/trip"
)

// stamp writes a time as RFC 3339 in UTC.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

func stampOrNil(t *time.Time) *string {
	if t == nil {
		return nil
	}
	s := stamp(*t)
	return &s
}

func stampOrNone(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	return stampOrNil(&t)
}

func idOrNil(id uuid.NullUUID) *uuid.UUID {
	if !id.Valid {
		return nil
	}
	return &id.UUID
}

// placeIn is a place as it comes in. A coordinate that is left out is not zero.
type placeIn struct {
	Lat  *float64 `json:"lat"`
	Lng  *float64 `json:"lng"`
	Name string   `json:"name"`
}

func (p *placeIn) place(field string) (trip.Place, error) {
	switch {
	case p == nil:
		return trip.Place{}, missing(field)
	case p.Lat == nil:
		return trip.Place{}, missing(field + ".lat")
	case p.Lng == nil:
		return trip.Place{}, missing(field + ".lng")
	}
	return trip.Place{Point: geo.Point{Lat: *p.Lat, Lng: *p.Lng}, Name: p.Name}, nil
}

func places(origin, destination *placeIn) (from, to trip.Place, err error) {
	if from, err = origin.place("origin"); err != nil {
		return from, to, err
	}
	to, err = destination.place("destination")
	return from, to, err
}

type moneyOut struct {
	Amount   money.Amount `json:"amount"` // minor units
	Currency string       `json:"currency"`
}

func moneyOf(a money.Amount) moneyOut { return moneyOut{Amount: a, Currency: money.Currency} }

type stopOut struct {
	Number     int           `json:"number"`
	Kind       trip.StopKind `json:"kind"`
	OrderID    uuid.UUID     `json:"order_id"`
	Lat        float64       `json:"lat"`
	Lng        float64       `json:"lng"`
	Name       string        `json:"name"`
	Seats      int           `json:"seats"`
	At         string        `json:"at"`
	State      string        `json:"state"`
	ReachedAt  *string       `json:"reached_at"`
	NoShowFrom *string       `json:"no_show_from"`
}

// stopsOf shows a plan; wait is how long a driver waits for a rider.
func stopsOf(plan trip.Plan, wait time.Duration) []stopOut {
	out := make([]stopOut, len(plan))
	for i, s := range plan {
		out[i] = stopOut{
			Number: i + 1, Kind: s.Kind, OrderID: s.OrderID, Lat: s.Place.Lat, Lng: s.Place.Lng, Name: s.Place.Name,
			Seats: s.Seats, At: stamp(s.At), State: s.State.String(),
			ReachedAt: stampOrNone(s.Reached), NoShowFrom: stampOrNone(s.NoShowFrom(wait)),
		}
	}
	return out
}

type riderOut struct {
	OrderID   uuid.UUID    `json:"order_id"`
	RiderID   uuid.UUID    `json:"rider_id"`
	Status    order.Status `json:"status"`
	Seats     int          `json:"seats"`
	PickupAt  *string      `json:"pickup_at"`
	DropoffAt *string      `json:"dropoff_at"`

	RiderRating *averageOut `json:"rider_rating,omitempty"`
	Rating      *ratingOut  `json:"rating,omitempty"` // by the driver
	RateUntil   *string     `json:"rate_until,omitempty"`
}

type tripOut struct {
	ID               uuid.UUID   `json:"id"`
	DriverID         uuid.UUID   `json:"driver_id"`
	Status           trip.Status `json:"status"`
	Seats            int         `json:"seats"`
	SeatsLeft        int         `json:"seats_left"`
	Origin           trip.Place  `json:"origin"`
	Destination      *trip.Place `json:"destination"`
	DepartAt         string      `json:"depart_at"`
	ArriveAt         string      `json:"arrive_at"`
	MaxDetourMinutes *int        `json:"max_detour_minutes"` // none without a destination
	Plan             []stopOut   `json:"plan"`
	Abandoned        bool        `json:"abandoned"`
	Riders           []riderOut  `json:"riders,omitempty"`
	DriverRating     *averageOut `json:"driver_rating,omitempty"`
	Version          int         `json:"version"`
	CreatedAt        string      `json:"created_at"`
}

func (s *Server) tripOf(t trip.Trip) tripOut {
	out := tripOut{
		ID: t.ID, DriverID: t.DriverID, Status: t.Status, Seats: t.Seats, SeatsLeft: t.SeatsLeft,
		Origin: t.Origin, Destination: t.Dest, DepartAt: stamp(t.DepartAt), ArriveAt: stamp(t.ArriveAt),
		Plan: stopsOf(t.Plan, s.Trips.NoShowWait()), Abandoned: t.Abandoned,
		Version: t.Version, CreatedAt: stamp(t.CreatedAt),
	}
	if t.Dest != nil {
		out.MaxDetourMinutes = new(int(t.MaxDetour / time.Minute))
	}
	return out
}

type orderOut struct {
	ID           uuid.UUID    `json:"id"`
	RiderID      uuid.UUID    `json:"rider_id"`
	Status       order.Status `json:"status"`
	Reason       string       `json:"reason,omitempty"`
	Seats        int          `json:"seats"`
	Origin       trip.Place   `json:"origin"`
	Destination  trip.Place   `json:"destination"`
	DepartAfter  string       `json:"depart_after"`
	ArriveBefore string       `json:"arrive_before"`
	MatchUntil   string       `json:"match_until"`
	DistanceM    int          `json:"distance_metres"`
	DurationS    int          `json:"duration_seconds"`
	Fare         moneyOut     `json:"fare"`
	FarePooled   moneyOut     `json:"fare_pooled"`
	CancelFee    moneyOut     `json:"cancel_fee"`
	Payment      pay.Status   `json:"payment"`
	Charged      *moneyOut    `json:"charged,omitempty"`
	TripID       *uuid.UUID   `json:"trip_id"`
	PickupAt     *string      `json:"pickup_at"`
	DropoffAt    *string      `json:"dropoff_at"`
	DriverHere   *string      `json:"driver_here_since"`
	MatchedAt    *string      `json:"matched_at"`
	ConfirmedAt  *string      `json:"confirmed_at"`
	CreatedAt    string       `json:"created_at"`
	DriverRating *averageOut  `json:"driver_rating,omitempty"`
	RateUntil    *string      `json:"rate_until,omitempty"`
	Ratings      []ratingOut  `json:"ratings,omitempty"`
	Flow         *flowOut     `json:"flow,omitempty"`
}

// orderOf shows an order as it is now.
func (s *Server) orderOf(o order.Order, p pay.Payment) orderOut {
	out := orderOut{
		ID: o.ID, RiderID: o.RiderID, Status: o.Status, Reason: o.Reason, Seats: o.Seats,
		Origin: o.Origin, Destination: o.Dest, DepartAfter: stamp(o.DepartAfter), ArriveBefore: stamp(o.ArriveBefore),
		MatchUntil: stamp(o.MatchUntil), DistanceM: o.Metres, DurationS: int(o.Duration / time.Second),
		Fare: moneyOf(o.Price.Solo), FarePooled: moneyOf(o.Price.Pooled), CancelFee: moneyOf(o.CancelFee(s.Clock.Now())),
		Payment: p.Status, TripID: idOrNil(o.TripID),
		PickupAt: stampOrNil(o.PickupAt), DropoffAt: stampOrNil(o.DropoffAt), DriverHere: stampOrNil(o.DriverHere),
		MatchedAt: stampOrNil(o.MatchedAt), ConfirmedAt: stampOrNil(o.ConfirmedAt), CreatedAt: stamp(o.CreatedAt),
	}
	if p.Status.Charged() {
		out.Charged = new(moneyOf(p.Charged))
	}
	return out
}

type flowOut struct {
	ID     uuid.UUID  `json:"id"`
	Text   string     `json:"text"`
	State  string     `json:"state"`
	Cause  string     `json:"cause,omitempty"`
	Stages []stageOut `json:"stages"`
}

type stageOut struct {
	Branch string   `json:"branch"`
	State  string   `json:"state"`
	Jobs   []jobOut `json:"jobs"`
}

type jobOut struct {
	ID        uuid.UUID `json:"id"`
	Kind      string    `json:"kind"`
	State     string    `json:"state"`
	Attempts  int       `json:"attempts"`
	LastError string    `json:"last_error,omitempty"`
	DueAt     *string   `json:"due_at,omitempty"`
}

// faultText is how an error begins that was meant for those concerned: its code
// and its detail. What follows, and any other error, is for operators.
var faultText = regexp.MustCompile(`^[a-z]+(_[a-z]+)*: [^:]+`)

// lastError returns what of a job's last error its reader may see.
func lastError(text string, operator bool) string {
	if text == "" || operator {
		return text
	}
	if short := faultText.FindString(text); short != "" && strings.Contains(text[:strings.IndexByte(text, ':')], "_") {
		return short
	}
	return "something went wrong here; it is tried again"
}

// flowOf shows a flow; operators see errors in full.
func flowOf(v jobs.FlowView, operator bool) *flowOut {
	out := &flowOut{ID: v.ID, Text: v.Text, State: v.State, Cause: v.Cause, Stages: make([]stageOut, len(v.Stages))}
	for i, st := range v.Stages {
		stage := stageOut{Branch: st.Branch, State: st.State}
		for _, j := range st.Jobs {
			stage.Jobs = append(stage.Jobs, jobOut{j.ID, j.Kind, j.State, j.Attempts, lastError(j.LastError, operator), stampOrNil(j.DueAt)})
		}
		out.Stages[i] = stage
	}
	return out
}

type noticeOut struct {
	ID        uuid.UUID    `json:"id"`
	Event     notify.Event `json:"event"`
	Text      string       `json:"text"`
	OrderID   *uuid.UUID   `json:"order_id,omitempty"`
	CreatedAt string       `json:"created_at"`
}

func noticeOf(n notify.Notice) noticeOut {
	out := noticeOut{ID: n.ID, Event: n.Event, Text: n.Text, CreatedAt: stamp(n.CreatedAt)}
	if n.Event != notify.Joined { // that is about another rider's order
		out.OrderID = idOrNil(n.OrderID)
	}
	return out
}

type eventOut struct {
	OrderID uuid.UUID    `json:"order_id"`
	Status  order.Status `json:"status"`
	Reason  string       `json:"reason,omitempty"`
	At      string       `json:"at"`
}

func eventOf(e order.Event) eventOut {
	return eventOut{e.OrderID, e.Status, e.Reason, stamp(e.At)}
}

// progressOut says that a trip has changed.
type progressOut struct {
	TripID  uuid.UUID   `json:"trip_id"`
	Status  trip.Status `json:"status"`
	Version int         `json:"version"`
}

type positionOut struct {
	TripID uuid.UUID `json:"trip_id"`
	Lat    float64   `json:"lat"`
	Lng    float64   `json:"lng"`
	At     string    `json:"at"`
}

func positionOf(id uuid.UUID, p trip.Position) positionOut {
	return positionOut{id, p.Lat, p.Lng, stamp(p.At)}
}

func asJSON(v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err) // the types above can all be written
	}
	return raw
}
