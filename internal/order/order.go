// Package order is a rider's wish for seats and what becomes of it: its life,
// and the flow of jobs that fulfils it.
package order

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/fare"
	"github.com/spotpool/spotpool/internal/fault"
	"github.com/spotpool/spotpool/internal/money"
	"github.com/spotpool/spotpool/internal/trip"
)

// Status is where an order stands in its life.
type Status string

// The statuses.
const (
	Matching  Status = "matching"  // waits for a trip
	Matched   Status = "matched"   // has its seats; the fare is being held
	Confirmed Status = "confirmed" // seats and fare are certain
	Riding    Status = "riding"    // the rider is in the car
	Completed Status = "completed" // the rider has arrived
	NoShow    Status = "no_show"   // the rider did not come to the pickup
	Cancelled Status = "cancelled" // called off, or its fare could not be held
	Expired   Status = "expired"   // no trip was found in time
)

var transitions = map[Status][]Status{
	Matching:  {Matched, Cancelled, Expired},
	Matched:   {Confirmed, Cancelled, Expired},
	Confirmed: {Riding, NoShow, Cancelled, Matching},
	Riding:    {Completed},
}

// Can reports whether an order may go from s to the other status.
func (s Status) Can(to Status) bool { return slices.Contains(transitions[s], to) }

// before returns the statuses from which an order may go to s.
func (s Status) before() (from []Status) {
	for st := range transitions {
		if st.Can(s) {
			from = append(from, st)
		}
	}
	return from
}

// seated are the statuses in which an order has seats on a trip.
var seated = []Status{Matched, Confirmed, Riding}

// onPlan are the statuses in which an order stands on its trip's plan.
var onPlan = append(slices.Clone(seated), Completed, NoShow)

// begun are the statuses in which there is nothing left to undo.
var begun = []Status{Riding, Completed, NoShow}

// active are the statuses that count towards the number of orders a rider may hold.
var active = append([]Status{Matching}, seated...)

// Reasons why an order was cancelled, has expired, or is not on the trip that it was
// on; besides these, the code of the fault that made its flow fail.
const (
	ReasonRider    = "cancelled_by_rider"
	ReasonOperator = "cancelled_by_operator"
	ReasonNoTrip   = "no_trip"
	ReasonTrip     = "trip_cancelled"
	ReasonMoved    = "moved" // to another trip

	// ReasonAbandoned is that of orders which their driver has never spoken of again.
	ReasonAbandoned = "trip_abandoned"
)

// Order is one rider's wish. Times are UTC.
type Order struct {
	ID           uuid.UUID
	RiderID      uuid.UUID
	Status       Status
	Reason       string // why it was cancelled, has expired, or has lost or changed its trip
	Seats        int
	Origin       trip.Place
	Dest         trip.Place
	DepartAfter  time.Time
	ArriveBefore time.Time
	MatchUntil   time.Time // expires then, unless a trip was found
	Rematches    int       // how often it has lost its trip, or got another instead
	Metres       int       // the direct way
	Duration     time.Duration
	Price        fare.Price   // binding; the solo one is held
	Fee          money.Amount // what a rider's late cancel has cost
	TripID       uuid.NullUUID
	PickupAt     *time.Time // set with TripID; expected, as its trip's plan has it, then when it was
	Promised     *time.Time // the pickup as it was when the order got its trip
	DropoffAt    *time.Time
	DriverHere   *time.Time // since when the driver is at the pickup, while the rider is not in the car
	MatchedAt    *time.Time
	ConfirmedAt  *time.Time
	Version      int
	CreatedAt    time.Time
	ChangedAt    time.Time
}

// CancelFee returns what it costs the rider to cancel the order at a time, or what it
// has cost: nothing before it is confirmed.
func (o Order) CancelFee(at time.Time) money.Amount {
	if o.Status != Confirmed || o.Promised == nil {
		return o.Fee
	}
	return o.Price.CancelFee(*o.MatchedAt, *o.Promised, at)
}

// Seated reports whether the order has seats on its trip.
func (o Order) Seated() bool { return slices.Contains(seated, o.Status) }

// OnPlan reports whether the order stands on its trip's plan: it has its seats, or had
// them to the end.
func (o Order) OnPlan() bool { return slices.Contains(onPlan, o.Status) }

// Event is one change of an order's status. Seq grows, not always by one.
type Event struct {
	OrderID uuid.UUID
	Seq     int
	Status  Status
	Reason  string
	At      time.Time
}

// TableName tells gorm where the rows live.
func (Event) TableName() string { return "order_events" }

// ErrNotFound says that there is no such order, or that it is someone else's.
var ErrNotFound = fault.New(fault.NotFound, "order_not_found", "there is no such order")

// ErrNotCancellable says that the order's ride has begun or is over.
var ErrNotCancellable = fault.New(fault.Conflict, "order_not_cancellable", "an order can be cancelled until the ride begins")

// ErrNotConfirmed says that a rider cannot be picked up, nor be missed.
var ErrNotConfirmed = fault.New(fault.Conflict, "order_not_confirmed", "the order is not confirmed: its fare is not held yet, or it was called off")

// errMoved says that an order was no longer in the status a change starts from.
var errMoved = fault.New(fault.Conflict, "order_moved", "the order has changed since it was read")

// Known reports whether s is a status an order can have.
func (s Status) Known() bool {
	return s == Matching || len(s.before()) > 0
}
