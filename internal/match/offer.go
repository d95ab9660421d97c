// Package match decides on which vehicle an order rides, and where in its plan.
//
// The search is pure and in memory. It assumes what shortest travel times obey,
// that a detour over a third place is never shorter than the direct way.
package match

import (
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/geo"
	"github.com/spotpool/spotpool/internal/trip"
)

// Request is what an order asks of a trip.
type Request struct {
	OrderID  uuid.UUID
	Origin   trip.Place
	Dest     trip.Place
	Seats    int
	Earliest time.Time // pickup not before
	Latest   time.Time // dropoff not after
	DecideBy time.Time // its time is up then
}

// Offer is the best way found to serve a request.
type Offer struct {
	Trip      trip.Trip     // with the order in its plan and all times worked out
	Version   int           // of the trip that the plan was made from
	Added     time.Duration // driving time that the order adds
	PickupAt  time.Time
	DropoffAt time.Time
}

// since returns a time as routes count it on the board, from the Unix epoch. The
// zero time is the epoch.
func since(t time.Time) time.Duration {
	if t.IsZero() {
		return 0
	}
	return time.Duration(t.UnixNano())
}

func (r Request) ride(travel geo.Travel) Ride {
	return Ride{
		Order: r.OrderID, From: travel.Locate(r.Origin.Point), To: travel.Locate(r.Dest.Point), Seats: r.Seats,
		Earliest: since(r.Earliest), Latest: since(r.Latest),
	}
}

// stops returns the two stops of the order, without their times.
func (r Request) stops() (pickup, dropoff trip.Stop) {
	return trip.Stop{OrderID: r.OrderID, Kind: trip.Pickup, Place: r.Origin, Seats: r.Seats, Earliest: r.Earliest},
		trip.Stop{OrderID: r.OrderID, Kind: trip.Dropoff, Place: r.Dest, Seats: r.Seats, Latest: r.Latest}
}

// pathOf returns the path of a trip that has not departed.
func pathOf(t trip.Trip, travel geo.Travel) Path {
	p := Path{
		ID: t.ID, Version: t.Version, Seats: t.Seats, MaxStops: trip.MaxStops,
		Start: travel.Locate(t.Origin.Point), StartAt: since(t.DepartAt),
		EndBy: NoLimit,
		Stops: make([]Stop, len(t.Plan)),
	}
	if t.Dest != nil {
		end := travel.Locate(t.Dest.Point)
		p.End, p.EndBy = &end, p.StartAt+travel.Leg(p.Start, end).Duration+t.MaxDetour
	}
	for i, s := range t.Plan {
		p.Stops[i] = Stop{
			Order: s.OrderID, Kind: s.Kind, Spot: travel.Locate(s.Place.Point), Seats: s.Seats,
			Earliest: since(s.Earliest), Latest: since(s.Latest),
		}
	}
	return p
}

// offer returns the trip with the request put into its plan.
func offer(t trip.Trip, in insertion, req Request, travel geo.Travel) Offer {
	version, old := t.Version, t.Plan
	up, down := req.stops()
	t.Plan = make(trip.Plan, 0, len(old)+2)
	t.Plan = append(t.Plan, old[:in.pickup]...)
	t.Plan = append(t.Plan, up)
	t.Plan = append(t.Plan, old[in.pickup:in.dropoff]...)
	t.Plan = append(t.Plan, down)
	t.Plan = append(t.Plan, old[in.dropoff:]...)
	t = t.Reschedule(travel)
	return Offer{
		Trip: t, Version: version, Added: in.added,
		PickupAt: t.Plan[in.pickup].At, DropoffAt: t.Plan[in.dropoff+1].At,
	}
}
