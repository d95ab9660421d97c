package match

import (
	"math"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/geo"
	"github.com/spotpool/spotpool/internal/trip"
)

// NoLimit is a time that is never too late: from the Unix epoch, in the year 2189.
const NoLimit time.Duration = math.MaxInt64 / 4 * 3

// Ride is what an order asks of a vehicle. Times count from an epoch that is the
// same for all rides and paths and otherwise the caller's choice.
type Ride struct {
	Order    uuid.UUID
	From, To geo.Spot
	Seats    int
	Earliest time.Duration // pickup not before
	Latest   time.Duration // dropoff not after, or NoLimit
	DecideBy time.Duration // a Dispatcher gives the order up when it has no place by then
}

// Stop is one stop of a Path.
type Stop struct {
	Order    uuid.UUID
	Kind     trip.StopKind
	Spot     geo.Spot
	Seats    int           // that the order takes
	Earliest time.Duration // of a pickup: the vehicle waits until then
	Latest   time.Duration // of a dropoff: the promised arrival, or NoLimit
	Told     bool          // of a pickup: the order stays on this vehicle
}

// Path is what a vehicle has ahead of it. A dropoff whose pickup is not among the
// stops belongs to a rider who is aboard at the start.
type Path struct {
	ID       uuid.UUID
	Version  int
	Seats    int
	Start    geo.Spot
	StartAt  time.Duration // when the vehicle is, or has been since, where it can turn
	Stops    []Stop
	Locked   int           // so many first stops stay where they are in the plan
	MaxStops int           // no more stops than these are planned; 0 is no limit
	End      *geo.Spot     // where the vehicle goes after its stops; nil: it stays where it is
	EndBy    time.Duration // latest arrival at End, or NoLimit
	LeaveAt  time.Duration // set by a Dispatcher: a vehicle at its start stays there until then
}
