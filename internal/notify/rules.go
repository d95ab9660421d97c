package notify

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// part is what one audience is told of an event.
type part struct {
	to Audience
	as Event
}

// concerned says who is told of an event of an order, and as what.
var concerned = map[Event][]part{
	Matched:   {{ToRider, Matched}, {ToDriver, Matched}, {ToOthers, Joined}},
	Moved:     {{ToRider, Moved}, {ToDriver, Matched}, {ToOthers, Joined}},
	Cancelled: {{ToRider, Cancelled}, {ToDriver, Cancelled}},
	Declined:  {{ToRider, Declined}, {ToDriver, Cancelled}},
	Expired:   {{ToRider, Expired}},
	Reminder:  {{ToRider, Reminder}},
	Here:      {{ToRider, Here}},
	NoShow:    {{ToRider, NoShow}},
	Refunded:  {{ToRider, Refunded}},
	Rate:      {{ToRider, Rate}, {ToDriver, Rate}},
}

// urgency says whether an SMS may wait for the end of quiet hours.
type urgency int

const (
	atOnce urgency = iota // never
	ifSoon                // unless what it tells of happens before
)

// texting says to whom an event is worth an SMS, and how urgent it is.
type texting struct {
	to      []Audience
	urgency urgency
}

var texted = map[Event]texting{
	Matched:       {[]Audience{ToRider, ToDriver}, ifSoon},
	Moved:         {[]Audience{ToRider}, ifSoon},
	Left:          {[]Audience{ToDriver}, ifSoon},
	Late:          {[]Audience{ToRider}, ifSoon},
	Declined:      {[]Audience{ToRider}, ifSoon},
	Reminder:      {[]Audience{ToRider}, atOnce},
	Near:          {[]Audience{ToRider}, atOnce},
	Here:          {[]Audience{ToRider}, atOnce},
	NoShow:        {[]Audience{ToRider}, atOnce},
	Rematching:    {[]Audience{ToRider}, atOnce},
	Expired:       {[]Audience{ToRider}, atOnce},
	Cancelled:     {[]Audience{ToRider}, atOnce},
	TripCancelled: {[]Audience{ToDriver}, atOnce},
}

// worthSMS reports whether an event is worth an SMS to an audience.
func worthSMS(ev Event, to Audience) bool { return slices.Contains(texted[ev].to, to) }

// moot returns why nobody need be told of an event of a ride any more, nothing where
// it is news still. trip is the one that it happened on, Nil for whichever the ride is on.
func moot(ev Event, r Ride, trip uuid.UUID) string {
	elsewhere := trip != uuid.Nil && r.TripID != trip
	switch ev {
	case Matched, Late, Departed:
		if !r.Seated || elsewhere {
			return "the order has lost its trip since"
		}
	case Near, Here:
		if !r.Seated || r.Aboard || elsewhere {
			return "nobody waits for the driver any more"
		}
	case Completed:
		if !r.Arrived {
			return "the rider was not driven"
		}
	case Rematching:
		if r.Over {
			return "the order is closed"
		}
	case Rate:
		if r.RiderID == r.DriverID {
			return "nobody rates themselves"
		}
	}
	return ""
}

// Quiet is when SMS that can wait do: from a time of the day until another, which may
// be the next day's. The zero value is never.
type Quiet struct{ From, Until time.Duration } // since midnight

// ParseQuiet reads "22:00-07:00"; "none" is never.
func ParseQuiet(text string) (q Quiet, err error) {
	if text == "none" {
		return q, nil
	}
	from, until, _ := strings.Cut(text, "-")
	for _, end := range []struct {
		text string
		into *time.Duration
	}{{from, &q.From}, {until, &q.Until}} {
		at, err := time.Parse("15:04", strings.TrimSpace(end.text))
		if err != nil {
			return Quiet{}, fmt.Errorf("%q is not a span of the day such as 22:00-07:00", text)
		}
		*end.into = time.Duration(at.Hour())*time.Hour + time.Duration(at.Minute())*time.Minute
	}
	if q.From == q.Until {
		return Quiet{}, fmt.Errorf("%q has no length", text)
	}
	return q, nil
}

// ends returns when the quiet hours that hold at a time end, in the time's zone; zero
// where none do.
func (q Quiet) ends(now time.Time) time.Time {
	if q.From == q.Until {
		return time.Time{}
	}
	for _, day := range []int{-1, 0} {
		from, until := q.on(now, day, q.From), q.on(now, day, q.Until)
		if q.Until < q.From {
			until = q.on(now, day+1, q.Until)
		}
		if !now.Before(from) && now.Before(until) {
			return until
		}
	}
	return time.Time{}
}

// on returns a time of the day so many days after now's, as clocks there show it.
func (q Quiet) on(now time.Time, days int, at time.Duration) time.Time {
	y, m, d := now.Date()
	return time.Date(y, m, d+days, int(at/time.Hour), int(at%time.Hour/time.Minute), 0, 0, now.Location())
}

// hold returns for how long an SMS of an event waits. at is when what it tells of
// happens, zero where that is not known.
func (q Quiet) hold(ev Event, at, now time.Time) time.Duration {
	end := q.ends(now)
	if end.IsZero() || texted[ev].urgency == atOnce || !at.After(end) {
		return 0
	}
	return end.Sub(now)
}
