package sim

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/geo"
	"github.com/spotpool/spotpool/internal/money"
)

// Place is a point with a name that people know it by.
type Place struct {
	geo.Point
	Name string `json:"name,omitempty"`
}

// TripOffer is what a driver offers.
type TripOffer struct {
	Origin           Place     `json:"origin"`
	Destination      *Place    `json:"destination,omitempty"` // nil: wherever the riders go
	DepartAt         time.Time `json:"depart_at"`
	Seats            int       `json:"seats"`
	MaxDetourMinutes int       `json:"max_detour_minutes,omitempty"` // 0: the server's default
}

// Trip is what simulated people look at in the API's answer about a trip.
type Trip struct {
	ID        uuid.UUID `json:"id"`
	Status    string    `json:"status"`
	Seats     int       `json:"seats"`
	SeatsLeft int       `json:"seats_left"`
	Origin    Place     `json:"origin"`
	DepartAt  time.Time `json:"depart_at"`
	Plan      []Stop    `json:"plan"`
}

// Stop is what simulated drivers look at in a stop of a plan.
type Stop struct {
	geo.Point
	Number     int       `json:"number"`
	Kind       string    `json:"kind"`
	OrderID    uuid.UUID `json:"order_id"`
	State      string    `json:"state"`
	At         time.Time `json:"at"`
	NoShowFrom time.Time `json:"no_show_from"` // zero where nobody is waited for
}

// What drivers go by: the states of a trip, and of stops that are to be made, or where
// somebody got in.
const (
	tripDeparted  = "departed"
	tripCompleted = "completed"
	tripCancelled = "cancelled"
	stopAhead     = "ahead"
	stopReached   = "reached"
	stopMade      = "made"
	stopMissed    = "missed"
	stopPickup    = "pickup"
	stopDropoff   = "dropoff"
)

// Ask is what a rider asks a price for.
type Ask struct {
	Origin      Place `json:"origin"`
	Destination Place `json:"destination"`
	Seats       int   `json:"seats"`
}

// Quote is the answer to an Ask.
type Quote struct {
	Fare Fare `json:"fare"`
}

// Fare is an amount with its currency.
type Fare struct {
	Amount   money.Amount `json:"amount"`
	Currency string       `json:"currency"`
}

// OrderRequest is what a rider orders. A zero DepartAfter leaves now, a zero
// ArriveBefore accepts the usual detour.
type OrderRequest struct {
	Ask
	DepartAfter  time.Time `json:"depart_after,omitzero"`
	ArriveBefore time.Time `json:"arrive_before,omitzero"`
}

// The states of an order.
const (
	statusMatching  = "matching"
	statusMatched   = "matched"
	statusConfirmed = "confirmed"
	statusRiding    = "riding"
	statusCompleted = "completed"
	statusNoShow    = "no_show"
	statusExpired   = "expired"
	statusCancelled = "cancelled"
)

// Order is what simulated people look at in the API's answer about an order.
type Order struct {
	ID          uuid.UUID     `json:"id"`
	Status      string        `json:"status"`
	Reason      string        `json:"reason"`
	TripID      uuid.NullUUID `json:"trip_id"`
	DurationS   int           `json:"duration_seconds"` // of the direct way
	Fare        Fare          `json:"fare"`
	CancelFee   Fare          `json:"cancel_fee"`
	Charged     *Fare         `json:"charged"` // nil: nothing, so far
	Payment     string        `json:"payment"`
	ArriveBy    time.Time     `json:"arrive_before"`
	PickupAt    time.Time     `json:"pickup_at"` // zero without a trip, as is DropoffAt
	DropoffAt   time.Time     `json:"dropoff_at"`
	CreatedAt   time.Time     `json:"created_at"`
	MatchedAt   time.Time     `json:"matched_at"`   // zero until it is matched
	ConfirmedAt time.Time     `json:"confirmed_at"` // zero until it is confirmed
}

// ended reports whether nothing more becomes of an order.
func (o Order) ended() bool {
	switch o.Status {
	case statusCompleted, statusNoShow, statusExpired, statusCancelled:
		return true
	}
	return false
}

// OrderPage is one page of a list, newest order first. NextCursor is empty on the last page.
type OrderPage struct {
	Items      []Order `json:"items"`
	NextCursor string  `json:"next_cursor"`
}

// QueueState is what a load test looks at in the API's answer about a queue.
type QueueState struct {
	Name    string  `json:"name"`
	Pending int     `json:"pending"`
	Active  int     `json:"active"`
	Wait    float64 `json:"wait_seconds"` // of the task that has waited longest
}

// OfferTrip offers a trip as a driver.
func (c Client) OfferTrip(ctx context.Context, o TripOffer) (t Trip, err error) {
	return t, c.do(ctx, http.MethodPost, "/v1/trips", o, &t)
}

// Trip returns one trip.
func (c Client) Trip(ctx context.Context, id uuid.UUID) (t Trip, err error) {
	return t, c.do(ctx, http.MethodGet, "/v1/trips/"+id.String(), nil, &t)
}

// Drive says what the driver of a trip has done: "depart", "complete", or
// "stops/1/pick-up" and the like.
func (c Client) Drive(ctx context.Context, id uuid.UUID, what string) (t Trip, err error) {
	return t, c.do(ctx, http.MethodPost, "/v1/trips/"+id.String()+"/"+what, nil, &t)
}

// CancelTrip calls a trip off as its driver.
func (c Client) CancelTrip(ctx context.Context, id uuid.UUID) (t Trip, err error) {
	return c.Drive(ctx, id, "cancel")
}

// Position says where the vehicle of a trip is.
func (c Client) Position(ctx context.Context, id uuid.UUID, at geo.Point) error {
	return c.do(ctx, http.MethodPost, "/v1/trips/"+id.String()+"/position", at, nil)
}

// Quote asks for a price.
func (c Client) Quote(ctx context.Context, a Ask) (q Quote, err error) {
	return q, c.do(ctx, http.MethodPost, "/v1/quotes", a, &q)
}

// PlaceOrder orders as a rider; the order comes back as accepted, usually still matching.
func (c Client) PlaceOrder(ctx context.Context, r OrderRequest) (o Order, err error) {
	return o, c.do(ctx, http.MethodPost, "/v1/orders", r, &o)
}

// Order returns one order.
func (c Client) Order(ctx context.Context, id uuid.UUID) (o Order, err error) {
	return o, c.do(ctx, http.MethodGet, "/v1/orders/"+id.String(), nil, &o)
}

// Orders returns a page of up to limit orders: a rider's own, or everybody's
// for an operator. The empty cursor asks for the first page.
func (c Client) Orders(ctx context.Context, limit int, cursor string) (p OrderPage, err error) {
	path := fmt.Sprintf("/v1/orders?limit=%d", limit)
	if cursor != "" {
		path += "&cursor=" + url.QueryEscape(cursor)
	}
	return p, c.do(ctx, http.MethodGet, path, nil, &p)
}

// CancelOrder cancels an order as its rider.
func (c Client) CancelOrder(ctx context.Context, id uuid.UUID) error {
	return c.do(ctx, http.MethodPost, "/v1/orders/"+id.String()+"/cancel", nil, nil)
}

// Rate rates the other side of a ride, as its rider or its driver.
func (c Client) Rate(ctx context.Context, order uuid.UUID, stars int) error {
	return c.do(ctx, http.MethodPost, "/v1/orders/"+order.String()+"/rating", map[string]int{"stars": stars}, nil)
}

// Queues returns how long the server's queues are, as an operator.
func (c Client) Queues(ctx context.Context) ([]QueueState, error) {
	var page struct {
		Items []QueueState `json:"items"`
	}
	return page.Items, c.do(ctx, http.MethodGet, "/v1/queue/queues", nil, &page)
}
