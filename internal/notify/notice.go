// Package notify tells people what happens to their rides: in their inbox,
// live on an open page, and by SMS.
package notify

import (
	"fmt"
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
)

// Audience is whom a notice goes to, seen from the order it is about.
type Audience string

// The audiences.
const (
	ToRider  Audience = "rider"
	ToDriver Audience = "driver"
	ToOthers Audience = "others" // the riders of the same car's other orders
)

// Notice is one message in one person's inbox. A person gets at most one for
// each event of what it is about.
type Notice struct {
	ID        uuid.UUID `gorm:"primaryKey"`
	UserID    uuid.UUID
	Event     Event
	AboutID   uuid.UUID     // an order in its search for a trip, a broadcast, a driver's day, a trip, a settlement
	OrderID   uuid.NullUUID // the order it is about, if any
	Text      string
	CreatedAt time.Time
}

// Ride is what a notice says about an order.
type Ride struct {
	OrderID  uuid.UUID
	RiderID  uuid.UUID
	DriverID uuid.UUID // Nil when the order has no trip
	PickupAt time.Time // zero when the order has no trip, as is ArriveAt
	ArriveAt time.Time
	Seated   bool   // whether it has a place in its trip's plan
	Aboard   bool   // whether the rider is in the car
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

// cancelled returns the sentence that tells the driver of it, with the time in zone.
func (d Departure) cancelled(zone *time.Location) string {
	return fmt.Sprintf("Your trip%s at %s was called off by an operator. Please do not set out.",
		way(d.Origin, d.Dest), d.At.In(zone).Format("15:04"))
}

// about returns what notices of the ride are about: the order, and from the
// second trip on another id made of it, so that everyone is told anew.
func (r Ride) about() uuid.UUID {
	if r.Round == 0 {
		return r.OrderID
	}
	return uuid.NewSHA1(r.OrderID, []byte("round "+strconv.Itoa(r.Round)))
}

// words returns the sentence that tells an audience of an event, with times in zone.
func (r Ride) words(ev Event, to Audience, zone *time.Location) string {
	at := r.PickupAt.In(zone).Format("15:04")
	way := way(r.Origin, r.Dest)
	switch {
	case ev == Matched && to == ToRider:
		return fmt.Sprintf("Your ride%s is confirmed. Your driver picks you up at %s.", way, at)
	case ev == Matched:
		return fmt.Sprintf("A rider%s has joined your trip. Pickup at %s.", way, at)
	case ev == Joined:
		return "Another rider will share your car. Your arrival stays within the time we promised."
	case ev == Reminder:
		return fmt.Sprintf("Your ride%s: your driver picks you up at %s.", way, at)
	case ev == Rematching:
		return fmt.Sprintf("Your driver cannot take you%s after all. We are looking for another car.", way)
	case ev == Moved:
		return fmt.Sprintf("Your ride%s has another driver now, who picks you up at %s.", way, at)
	case ev == Left:
		return fmt.Sprintf("A rider%s goes with another driver now. Please do not wait for them.", way)
	case ev == Here:
		return fmt.Sprintf("Your driver is here for your ride%s. Please come to the car.", way)
	case ev == NoShow:
		return fmt.Sprintf("Your driver waited for you and has left without you. Your ride%s is over.", way)
	case ev == Late && r.Aboard:
		return fmt.Sprintf("Your ride%s now arrives at about %s.", way, r.ArriveAt.In(zone).Format("15:04"))
	case ev == Late:
		return fmt.Sprintf("Your driver now picks you up at about %s for your ride%s, and you arrive at about %s.",
			at, way, r.ArriveAt.In(zone).Format("15:04"))
	case ev == Expired:
		return fmt.Sprintf("We found no car for your ride%s in time. You pay nothing.", way)
	case ev == Declined:
		return fmt.Sprintf("The payment for your ride%s was declined, so your seat was given up.", way)
	case ev == Cancelled && to == ToRider && r.Fee > 0:
		return fmt.Sprintf("Your ride%s is cancelled at a cost of %s. The rest of the money held for it is released.", way, r.Fee)
	case ev == Cancelled && to == ToRider:
		return fmt.Sprintf("Your ride%s is cancelled. The money held for it is released.", way)
	case ev == Cancelled:
		return fmt.Sprintf("The ride of a rider%s is cancelled.", way)
	case ev == Refunded:
		return fmt.Sprintf("What you were charged for your ride%s is given back to you.", way)
	case ev == Rate && to == ToRider:
		return fmt.Sprintf("How was your ride%s? Please rate your driver.", way)
	case ev == Rate:
		return fmt.Sprintf("How was your rider%s? Please rate them.", way)
	}
	return fmt.Sprintf("There is news of a ride%s.", way)
}

// way names the ends of a way, as far as they have names.
func way(origin, dest string) string {
	var s string
	if origin != "" {
		s += " from " + clip(origin)
	}
	if dest != "" {
		s += " to " + clip(dest)
	}
	return s
}

// clip keeps the name of a place short enough for an SMS.
func clip(name string) string {
	const most = 40
	if r := []rune(name); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return name
}

// texted reports whether an event is worth an SMS to an audience.
func texted(ev Event, to Audience) bool {
	switch ev {
	case Matched:
		return to == ToRider || to == ToDriver
	case Left:
		return to == ToDriver
	case Reminder, Rematching, Moved, Here, NoShow, Late, Expired, Declined, Cancelled:
		return to == ToRider
	}
	return false
}
