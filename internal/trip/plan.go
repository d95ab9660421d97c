package trip

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/geo"
)

// StopKind says what happens at a stop.
type StopKind string

// The kinds of stops.
const (
	Pickup  StopKind = "pickup"
	Dropoff StopKind = "dropoff"
)

// MaxStops is how many stops a plan may have, which also bounds its stored size.
const MaxStops = 32

// Stop is one place where a trip picks up or drops off one order. Once the trip has
// departed, its plan is also the record of how it was driven: no stop leaves it.
type Stop struct {
	OrderID  uuid.UUID `json:"order_id"`
	Kind     StopKind  `json:"kind"`
	Place    Place     `json:"place"`
	Seats    int       `json:"seats"`             // that the order takes
	Earliest time.Time `json:"earliest,omitzero"` // of a pickup: the vehicle waits until then
	Latest   time.Time `json:"latest,omitzero"`   // of a dropoff: the promised arrival
	At       time.Time `json:"at"`                // expected, of a pickup after waiting; once the stop is over, when that was

	State   StopState `json:"state,omitempty"`
	Reached time.Time `json:"reached,omitzero"` // when the vehicle came
	Told    time.Time `json:"told,omitzero"`    // what the rider was last told of At; zero until the trip goes on
	Due     time.Time `json:"due,omitzero"`     // the latest of what the rider was told: nobody need be there before
	Near    bool      `json:"near,omitempty"`   // of a pickup: whether the rider was told that the vehicle is near
}

// Plan is the stops of a trip in their order. In the database it is JSON.
type Plan []Stop

// MaxLoad returns the largest number of seats taken at any time.
func (p Plan) MaxLoad() int {
	load, most := 0, 0
	for _, s := range p {
		load += s.change()
		most = max(most, load)
	}
	return most
}

// change returns by how many seats the load changes at the stop.
func (s Stop) change() int {
	switch {
	case s.State == Missed || s.State == Dropped:
		return 0
	case s.Kind == Pickup:
		return s.Seats
	}
	return -s.Seats
}

// Orders returns the orders of the plan in the order of their pickups, without those
// called off after the departure.
func (p Plan) Orders() []uuid.UUID {
	var ids []uuid.UUID
	for _, s := range p {
		if s.Kind == Pickup && s.State != Dropped {
			ids = append(ids, s.OrderID)
		}
	}
	return ids
}

// Without returns the plan without the order's stops.
func (p Plan) Without(orderID uuid.UUID) Plan {
	return slices.DeleteFunc(slices.Clone(p), func(s Stop) bool { return s.OrderID == orderID })
}

// Shared reports whether an order shared a leg: whether on the way from one place to
// the next another order was aboard with it. Only what was driven counts.
func (p Plan) Shared(orderID uuid.UUID) bool {
	aboard, here := map[uuid.UUID]bool{}, geo.Point{}
	for _, s := range p {
		if s.State != Made {
			continue
		}
		if aboard[orderID] && len(aboard) > 1 && s.Place.Point != here {
			return true
		}
		here = s.Place.Point
		if s.Kind == Pickup {
			aboard[s.OrderID] = true
		} else {
			delete(aboard, s.OrderID)
		}
	}
	return false
}

// Value implements driver.Valuer.
func (p Plan) Value() (driver.Value, error) {
	if p == nil {
		return "[]", nil
	}
	raw, err := json.Marshal(p)
	return string(raw), err
}

// Scan implements sql.Scanner.
func (p *Plan) Scan(v any) error {
	var raw []byte
	switch v := v.(type) {
	case string:
		raw = []byte(v)
	case []byte:
		raw = v
	default:
		return fmt.Errorf("trip: a plan stored as %T", v)
	}
	if err := json.Unmarshal(raw, p); err != nil {
		return fmt.Errorf("trip: stored plan: %w", err)
	}
	return nil
}
