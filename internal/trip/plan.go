package trip

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
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

// Stop is one place where a trip picks up or drops off one order.
type Stop struct {
	OrderID  uuid.UUID `json:"order_id"`
	Kind     StopKind  `json:"kind"`
	Place    Place     `json:"place"`
	Seats    int       `json:"seats"`             // that the order takes
	Earliest time.Time `json:"earliest,omitzero"` // of a pickup: the vehicle waits until then
	Latest   time.Time `json:"latest,omitzero"`   // of a dropoff: the promised arrival
	At       time.Time `json:"at"`                // expected; of a pickup, after waiting
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
	if s.Kind == Pickup {
		return s.Seats
	}
	return -s.Seats
}

// Orders returns the orders of the plan in the order of their pickups.
func (p Plan) Orders() []uuid.UUID {
	var ids []uuid.UUID
	for _, s := range p {
		if s.Kind == Pickup {
			ids = append(ids, s.OrderID)
		}
	}
	return ids
}

// Without returns the plan without the order's stops.
func (p Plan) Without(orderID uuid.UUID) Plan {
	return slices.DeleteFunc(slices.Clone(p), func(s Stop) bool { return s.OrderID == orderID })
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
