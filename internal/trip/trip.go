// Package trip keeps what drivers offer: a ride with seats, its plan of stops
// and how it is driven, from open to completed.
package trip

import (
	"slices"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/fault"
	"github.com/spotpool/spotpool/internal/geo"
)

// Status is where a trip stands in its life.
type Status string

// The statuses.
const (
	Open      Status = "open"      // takes orders
	Departed  Status = "departed"  // on its way, takes none
	Completed Status = "completed" // arrived
	Cancelled Status = "cancelled" // the driver or an operator called it off
)

var transitions = map[Status][]Status{
	Open:     {Departed, Cancelled},
	Departed: {Completed, Cancelled},
}

// Can reports whether a trip may go from s to the other status.
func (s Status) Can(to Status) bool { return slices.Contains(transitions[s], to) }

// Place is a point with the name people know it by.
type Place struct {
	geo.Point
	Name string `json:"name"`
}

// maxName is how many characters a place's name may have.
const maxName = 200

// Check returns a fault about the input field when the place cannot be used:
// point_off_the_globe or name_too_long.
func (p Place) Check(field string) error {
	if !p.Valid() {
		return fault.Fieldf(field, "point_off_the_globe", "latitude must be within ±90 and longitude within ±180 degrees")
	}
	if utf8.RuneCountInString(p.Name) > maxName {
		return fault.Fieldf(field, "name_too_long", "a place's name has at most %d characters", maxName)
	}
	return nil
}

// maxWalk is how far from the nearest road a place may be, in metres.
const maxWalk = 2000

// Way returns the leg between two places of the input, or a fault: off_the_roads
// about the field of a place that no vehicle gets near, or no_way.
func Way(travel geo.Travel, from, to Place) (geo.Leg, error) {
	a, err := onTheRoads(travel, "origin", from)
	if err != nil {
		return geo.Leg{}, err
	}
	b, err := onTheRoads(travel, "destination", to)
	if err != nil {
		return geo.Leg{}, err
	}
	leg := travel.Leg(a, b)
	if leg.Duration >= geo.Unreachable.Duration {
		return geo.Leg{}, fault.Fieldf("destination", "no_way", "no road leads from the origin to the destination")
	}
	return leg, nil
}

// onTheRoads returns where vehicles get to a place, or off_the_roads about the field.
func onTheRoads(travel geo.Travel, field string, p Place) (geo.Spot, error) {
	spot := travel.Locate(p.Point)
	if geo.Distance(p.Point, spot.Point) > maxWalk {
		return spot, fault.Fieldf(field, "off_the_roads", "no road within %d m is known", maxWalk)
	}
	return spot, nil
}

// Trip is a ride a driver offers. It leaves Origin at DepartAt, makes the stops
// of its plan in their order and ends at Dest; that of a taxi, which has none, ends
// at its last stop. All times are UTC.
type Trip struct {
	ID        uuid.UUID
	DriverID  uuid.UUID
	Status    Status
	Seats     int // for passengers
	SeatsLeft int // free along the whole way: Seats less the largest load
	Origin    Place
	Dest      *Place        // nil: wherever its riders go
	DepartAt  time.Time     // earlier than offered when the driver left earlier
	ArriveAt  time.Time     // expected at Dest, or at the last stop; once completed, when that was
	MaxDetour time.Duration // how much longer than the direct way the trip may take, waiting included; to a Dest
	Plan      Plan
	Abandoned bool // was completed in its driver's stead, with stops ahead of which nothing was heard
	Version   int  // grows with every change
	CreatedAt time.Time
	ChangedAt time.Time
}

// TakesOrders reports whether orders may still be put on the trip: while it is
// open and its departure lies ahead.
func (t Trip) TakesOrders(now time.Time) bool { return t.Status == Open && t.DepartAt.After(now) }

// Reschedule returns the trip with the times of its plan, its arrival and the
// seats left worked out anew. The trip it is called on keeps its plan. Whether
// the result keeps its promises is for the caller to judge.
func (t Trip) Reschedule(travel geo.Travel) Trip { return t.from(travel, t.Origin.Point, t.DepartAt) }

// from is Reschedule for a vehicle that is at a place at a time. Stops that are over
// keep theirs.
func (t Trip) from(travel geo.Travel, place geo.Point, at time.Time) Trip {
	t.Plan = slices.Clone(t.Plan)
	here := travel.Locate(place)
	for i := range t.Plan {
		s := &t.Plan[i]
		if s.over() {
			continue
		}
		there := travel.Locate(s.Place.Point)
		if s.State != Reached {
			at = at.Add(travel.Leg(here, there).Duration)
		}
		if s.Kind == Pickup && at.Before(s.Earliest) {
			at = s.Earliest
		}
		s.At, here = at, there
	}
	t.ArriveAt = at
	if t.Dest != nil {
		t.ArriveAt = at.Add(travel.Leg(here, travel.Locate(t.Dest.Point)).Duration)
	}
	t.SeatsLeft = t.Seats - t.Plan.MaxLoad()
	return t
}
