package sim

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/money"
)

// DayReport is what came of a day. All times but Took are the application's.
type DayReport struct {
	Settings []Setting `json:"settings"` // what was asked for; set by the caller
	Speed    float64   `json:"clock_speed"`
	Took     Seconds   `json:"took_seconds"` // by the wall
	Day      Seconds   `json:"day_seconds"`  // until the last car was there

	Planned  Planned        `json:"planned"`
	Accepted int            `json:"orders_accepted"`
	Refused  map[string]int `json:"orders_refused"` // by the problem's code
	Ended    map[string]int `json:"orders_ended"`   // by status, those cancelled by reason
	Open     []string       `json:"orders_open"`    // those that have not ended, or were not found
	Matched  int            `json:"orders_cancelled_after_match"`
	Pooled   int            `json:"orders_pooled"` // completed at the pooled price
	Late     int            `json:"orders_late"`   // arrived later than their riders had wished
	LateBy   Latency        `json:"late_by"`       // of those
	CallOff  map[string]int `json:"riders_called_off"`
	Ratings  map[string]int `json:"ratings"`   // by what came of them
	Rematch  Rematches      `json:"rematches"` // set by the caller

	Offered      int            `json:"trips_offered"`
	TripsRefused map[string]int `json:"trips_refused"`
	Trips        map[string]int `json:"trips_ended"` // by status, or the code of the problem for which their driver gave up

	Money   Money          `json:"money"`   // set by the caller, as are the next three
	Notices map[string]int `json:"notices"` // by event
	SMS     map[string]int `json:"sms"`     // by what came of them
	Audit   []Rule         `json:"audit"`

	Retried  map[string]int     `json:"retried"`     // tries that were repeated, by the problem's code
	Accept   Latency            `json:"accept"`      // from a request for an order until its 202
	Lag      Latency            `json:"lag"`         // from the moment something was due until the generator did it
	Waits    map[string]Latency `json:"queue_waits"` // of the task that had waited longest, looked at each second
	Warnings []string           `json:"warnings"`
	Series   []Slot             `json:"series"`
}

// Planned is what a day's plan wants.
type Planned struct {
	Orders        int `json:"orders"`
	Trips         int `json:"trips"`
	DriverCancels int `json:"driver_cancels"`
	RiderCancels  int `json:"rider_cancels"`
	NoShows       int `json:"no_shows"`
}

// Rematches is what became of orders whose trips were called off.
type Rematches struct {
	Orders int `json:"orders"` // that have lost a trip
	Times  int `json:"times"`  // some more than one
	Riders int `json:"rode"`   // those that rode in the end
}

// Money is where the money of a day is in the end, by the ledger, and what the gateway's
// own book says of it.
type Money struct {
	Taken     money.Amount `json:"taken"`      // from riders
	Owed      money.Amount `json:"owed"`       // by riders, since it could not be taken
	PaidOut   money.Amount `json:"paid_out"`   // to drivers
	Payable   money.Amount `json:"payable"`    // to drivers
	Revenue   money.Amount `json:"revenue"`    // of the platform
	Refunded  money.Amount `json:"refunded"`   // to riders
	Refunding money.Amount `json:"refunding"`  // to riders, on its way
	Unshared  money.Amount `json:"unshared"`   // charged and not shared out yet
	Held      money.Amount `json:"still_held"` // on riders; not ours

	GatewayTaken    money.Amount `json:"gateway_taken"`
	GatewayPaidOut  money.Amount `json:"gateway_paid_out"`
	GatewayRefunded money.Amount `json:"gateway_refunded"`
	Captures        int          `json:"gateway_captures"`
	Repeats         int          `json:"gateway_repeats"` // calls that were made again and had no further effect
}

// In is what riders were charged.
func (m Money) In() money.Amount { return m.Taken + m.Owed }

// Out is where that is now.
func (m Money) Out() money.Amount {
	return m.PaidOut + m.Payable + m.Revenue + m.Refunded + m.Refunding + m.Unshared
}

// behind is how late, in the application's time, the day may come at p99 for its times to
// be the city's rather than the machine's.
const behind = 30 * time.Second

// report draws up what happened so far.
func (d *day) report(took, lasted time.Duration) DayReport {
	r := d.record
	r.mu.Lock()
	defer r.mu.Unlock()
	out := DayReport{
		Speed: d.Clock.Speed(), Took: Seconds(took), Day: Seconds(lasted), Planned: d.plan.planned(),
		Accepted: r.placing[""], Refused: without(r.placing, ""), Ended: map[string]int{}, Open: []string{}, CallOff: outcomes(r.calling), Ratings: outcomes(r.rating),
		Offered: r.offering[""], TripsRefused: without(r.offering, ""), Trips: maps.Clone(r.driving),
		Retried: maps.Clone(r.retried), Accept: distribution(r.accept), Lag: distribution(r.lag), Waits: map[string]Latency{},
		Warnings: []string{}, Audit: []Rule{}, Series: slices.Clone(r.slots),
	}
	for queue, h := range r.waits {
		out.Waits[queue] = distribution(h)
	}
	late := newDayHistogram()
	lost := maps.Clone(r.ids)
	for _, o := range d.orders {
		out.count(o, late)
		delete(lost, o.ID)
	}
	for _, id := range slices.SortedFunc(maps.Keys(lost), func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) }) {
		out.Open = append(out.Open, id.String()+" was accepted and is not known any more")
	}
	out.LateBy = distribution(late)
	out.warn()
	return out
}

// count adds an order as it is in the end.
func (r *DayReport) count(o Order, late *hdrhistogram.Histogram) {
	switch {
	case !o.ended():
		r.Open = append(r.Open, o.ID.String()+" is "+o.Status)
		return
	case o.Status == statusCancelled:
		r.Ended[o.Status+": "+o.Reason]++
		if !o.MatchedAt.IsZero() {
			r.Matched++
		}
		return
	}
	r.Ended[o.Status]++
	if o.Status != statusCompleted {
		return
	}
	if o.Charged != nil && o.Charged.Amount < o.Fare.Amount {
		r.Pooled++
	}
	if by := o.DropoffAt.Sub(o.ArriveBy); by > 0 {
		r.Late++
		note(late, by)
	}
}

// warn says where the machine did not keep up: with a clock that runs fast, its slowness
// looks like people who are late.
func (r *DayReport) warn() {
	type late struct {
		what string
		is   Latency
	}
	all := []late{{"what was due was done late by", r.Lag}, {"orders were answered after", r.Accept}}
	for _, queue := range slices.Sorted(maps.Keys(r.Waits)) {
		all = append(all, late{"tasks of the queue " + queue + " waited for", r.Waits[queue]})
	}
	for _, of := range all {
		if time.Duration(of.is.P99) > behind {
			r.Warnings = append(r.Warnings, fmt.Sprintf("the machine fell behind at %gx: %s %s of the application's time at p99, %s by the wall. "+
				"The times of this day are the machine's, not the city's: use a lower --clock-speed",
				r.Speed, of.what, of.is.P99, Seconds(float64(of.is.P99)/r.Speed)))
		}
	}
}

// Rules are what a day must have come to, beside the rules of the database.
func (r DayReport) Rules() []Rule {
	unanswered := []string{}
	if n := r.Refused["unreachable"]; n > 0 {
		unanswered = append(unanswered, fmt.Sprintf("%d orders got no answer", n))
	}
	if n := r.Planned.Orders - r.Accepted - sum(r.Refused); n > 0 {
		unanswered = append(unanswered, fmt.Sprintf("%d orders were not placed", n))
	}
	road := []string{}
	for _, how := range slices.Sorted(maps.Keys(r.Trips)) {
		if !slices.Contains([]string{tripCompleted, tripCancelled, calledOffLate}, how) {
			road = append(road, fmt.Sprintf("%d trips ended as %s", r.Trips[how], how))
		}
	}
	return []Rule{
		{"every order was answered", unanswered},
		{"no order is left open", slices.Clone(r.Open)},
		{"every trip was driven to its end or called off", road},
	}
}

// planned counts what a plan wants.
func (p dayPlan) planned() (n Planned) {
	n.Orders, n.Trips = len(p.orders), len(p.trips)
	for _, t := range p.trips {
		n.DriverCancels += one(t.quits > 0)
	}
	for _, o := range p.orders {
		n.RiderCancels += one(o.cancels > 0)
		n.NoShows += one(o.stays)
	}
	return n
}

func one(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

func sum(of map[string]int) (n int) {
	for _, k := range of {
		n += k
	}
	return n
}

// outcomes names what was not refused, in a copy.
func outcomes(answers map[string]int) map[string]int {
	m := without(answers, "")
	if n := answers[""]; n > 0 {
		m["done"] = n
	}
	return m
}

// without returns a copy of a map that lacks a key.
func without(m map[string]int, key string) map[string]int {
	m = maps.Clone(m)
	delete(m, key)
	return m
}

// distribution returns what a histogram of milliseconds holds.
func distribution(h *hdrhistogram.Histogram) Latency {
	at := func(percent float64) Seconds {
		return Seconds(h.ValueAtPercentile(percent)) * Seconds(time.Millisecond)
	}
	return Latency{h.TotalCount(), at(50), at(90), at(99), at(99.9), Seconds(h.Max()) * Seconds(time.Millisecond)}
}
