// Package notify tells people what happens to their rides: in their inbox,
// live on an open page, and by SMS.
package notify

import (
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/money"
)

// Event is what a notice tells of.
type Event string

// The events.
const (
	Matched       Event = "matched"        // an order is confirmed on a trip
	Joined        Event = "joined"         // another rider shares the car
	Reminder      Event = "reminder"       // the pickup is near
	Rematching    Event = "rematching"     // the trip was called off; another one is looked for
	Moved         Event = "moved"          // a confirmed order rides on another trip
	Left          Event = "left"           // for the driver whose trip it was
	Here          Event = "driver_here"    // the driver is at the pickup
	NoShow        Event = "no_show"        // the driver has waited and left without the rider
	Late          Event = "retimed"        // pickup or arrival are at other times than the rider was told
	Departed      Event = "departed"       // the driver has set out
	Near          Event = "near"           // the driver is about to be at the pickup
	Completed     Event = "completed"      // the ride is over
	Expired       Event = "expired"        // no trip was found in time
	Declined      Event = "declined"       // the fare could not be held
	Cancelled     Event = "cancelled"      // an order was called off, or gave up its seat
	Announced     Event = "broadcast"      // an operator tells all riders in an area
	Statement     Event = "statement"      // what a driver's day came to
	TripCancelled Event = "trip_cancelled" // an operator has called off a driver's trip
	Receipted     Event = "receipt"        // what a rider was charged
	Settled       Event = "settled"        // what a driver has earned
	Refunded      Event = "refunded"       // what was charged is given back
	Rate          Event = "rate"           // a ride waits to be rated
	Reached       Event = "reached"        // for the driver of a trip that was called off: its riders know
	Unreached     Event = "unreached"      // for the driver: an SMS about the trip did not reach a rider
)

// Audience is whom a notice goes to, seen from the order it is about.
type Audience string

// The audiences.
const (
	ToRider  Audience = "rider"
	ToDriver Audience = "driver"
	ToOthers Audience = "others" // the riders of the same car's other orders
)

// Notice is one message to one person. A person gets at most one for each event of
// what it is about.
type Notice struct {
	ID        uuid.UUID `gorm:"primaryKey"`
	UserID    uuid.UUID
	Event     Event
	AboutID   uuid.UUID     // an order in its search for a trip, a broadcast, a driver's day, a trip, a settlement
	OrderID   uuid.NullUUID // the order it is about, if any
	TripID    uuid.NullUUID // the trip it is about, if any
	Text      string
	Hidden    bool       // not in the inbox, which its receiver has switched off
	SMS       Fate       `gorm:"column:sms"`
	SettledAt *time.Time // when all of it was sent, or never will be
	CreatedAt time.Time
}

// Fate is what became of a notice's SMS.
type Fate string

// The fates. Those from OptedOut on say why there was none.
const (
	Unasked       Fate = ""               // the event is not worth an SMS
	Waiting       Fate = "waiting"        // it is to be sent
	Delivered     Fate = "sent"           // a provider has taken it
	OptedOut      Fate = "opted_out"      // the person wants none
	NoNumber      Fate = "no_number"      // the person has no number
	NumberRefused Fate = "number_refused" // the provider does not reach the number
	Blocked       Fate = "blocked"        // the person has told the provider to send no more
	Refused       Fate = "refused"        // the provider does not take the text
	OverBudget    Fate = "over_budget"    // the day's SMS are spent
	Overtaken     Fate = "overtaken"      // it waited until it was no longer true
	Dropped       Fate = "cancelled"      // the trip was called off before it was sent
	Undelivered   Fate = "failed"         // it was tried to the end
)

// Ride is what a notice says about an order.
type Ride struct {
	OrderID  uuid.UUID
	RiderID  uuid.UUID
	TripID   uuid.UUID // Nil when the order has no trip, as is DriverID
	DriverID uuid.UUID
	PickupAt time.Time // zero when the order has no trip, as is ArriveAt
	ArriveAt time.Time
	Seated   bool   // whether it has a place in the plan of a trip that goes
	Aboard   bool   // whether the rider is in the car
	Arrived  bool   // whether the rider has been driven
	Over     bool   // whether it was called off or has found no trip
	Shared   bool   // whether its trip's plan has other orders
	Round    int    // how often its trip has changed
	Origin   string // names of places, may be empty
	Dest     string
	Fee      money.Amount // of a late cancel
}

// Departure is what a notice says about a driver's trip.
type Departure struct {
	DriverID uuid.UUID
	At       time.Time
	Origin   string // names of places, may be empty
	Dest     string
}

// about returns what notices of the ride are about: the order, and from the
// second trip on another id made of it, so that everyone is told anew.
func (r Ride) about() uuid.UUID {
	if r.Round == 0 {
		return r.OrderID
	}
	return uuid.NewSHA1(r.OrderID, []byte("round "+strconv.Itoa(r.Round)))
}

// aboutRide returns what notices about an order on one trip are about, whatever
// becomes of the order later.
func aboutRide(order, trip uuid.UUID) uuid.UUID {
	return uuid.NewSHA1(order, []byte("trip "+trip.String()))
}

// aboutTimes returns what the notice of an order's new times is about: the version of
// its trip with which they came.
func aboutTimes(order, trip uuid.UUID, version int) uuid.UUID {
	return uuid.NewSHA1(order, []byte("retimed "+strconv.Itoa(version)+" of "+trip.String()))
}
