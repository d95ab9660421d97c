package sim

import (
	"encoding/json"
	"fmt"
	"time"
)

// Report is what came of a load test.
type Report struct {
	Settings     []Setting      `json:"settings"` // what was asked for; set by the caller
	Took         Seconds        `json:"took_seconds"`
	Trips        int            `json:"trips_offered"`
	TripsRefused map[string]int `json:"trips_refused"` // by the problem's code
	Retried      map[string]int `json:"retried"`       // tries that were repeated, by the problem's code
	Observed     int            `json:"observed"`      // orders of whose times the server said too little; counted when they were seen
	Steps        []Figures      `json:"steps"`
	Total        Figures        `json:"total"` // ramps among it
	SLO          Seconds        `json:"slo_seconds"`
	Knee         *float64       `json:"knee_per_second"`  // the highest rate carried; nil: none was
	Limits       []Limit        `json:"limits,omitempty"` // set by the caller
	Warnings     []string       `json:"warnings"`
	Audit        []Rule         `json:"audit"` // set by the caller
	Series       []Second       `json:"series"`
}

// Setting is one thing the load test was told.
type Setting struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Rule is a rule of the database and what breaks it.
type Rule struct {
	Name     string   `json:"rule"`
	Findings []string `json:"findings"` // empty: it holds
}

// Figures are what was measured of the orders of one step, or of all.
type Figures struct {
	Rate       float64        `json:"rate_per_second"` // asked for; of all: 0
	From       Seconds        `json:"from_seconds"`
	To         Seconds        `json:"to_seconds"`
	Offered    int            `json:"offered"`
	Accepted   int            `json:"accepted"` // answered with 202
	Refused    map[string]int `json:"refused"`  // by the problem's code
	Matched    int            `json:"matched"`  // of the accepted, those that had a trip when they were seen
	Confirmed  int            `json:"confirmed"`
	Expired    int            `json:"expired"`
	Cancelled  int            `json:"cancelled"`  // also those whose payment was declined
	Unfinished int            `json:"unfinished"` // none of these when the run ended
	Accept     Latency        `json:"accept"`     // from the moment an order was due until its 202
	Match      Latency        `json:"accept_to_match"`
	Confirm    Latency        `json:"accept_to_confirm"`
	Queue      Depth          `json:"queue"`
	Pooled     float64        `json:"pooled"` // share of the confirmed that ride a part of their way with another order
	Detour     Detour         `json:"detour"`
	Generator  Generator      `json:"generator"`
	Carried    bool           `json:"carried"` // the limit was kept, see carried
}

// Latency is a distribution, to three significant digits (HdrHistogram).
type Latency struct {
	Count int64   `json:"count"`
	P50   Seconds `json:"p50"`
	P90   Seconds `json:"p90"`
	P99   Seconds `json:"p99"`
	P999  Seconds `json:"p99_9"`
	Max   Seconds `json:"max"`
}

// Depth is how many tasks waited in all queues to be run, looked at each second.
type Depth struct {
	Samples int            `json:"samples"`
	Mean    float64        `json:"mean"`
	Max     int            `json:"max"`
	MaxOf   map[string]int `json:"max_of"` // of each queue by itself
}

// Detour is the time a ride takes over the time of the direct way, of confirmed orders.
type Detour struct {
	Count int     `json:"count"`
	Mean  float64 `json:"mean"`
	P90   float64 `json:"p90"`
}

// Generator is how well the load test itself kept up.
type Generator struct {
	Lag  Latency `json:"lag"`  // from the moment an order was due until it was sent
	Held int     `json:"held"` // orders sent late since all requests in flight were taken
	CPU  float64 `json:"cpu"`  // cores used, on average
}

// Second is what was scheduled, or happened, in one second of the run.
type Second struct {
	At        int     `json:"at"`
	Offered   int     `json:"offered"`
	Accepted  int     `json:"accepted"` // answered in this second
	Refused   int     `json:"refused"`
	Confirmed int     `json:"confirmed"`
	Accept    Latency `json:"accept"` // of the orders due in this second, as are the next two
	Confirm   Latency `json:"accept_to_confirm"`
	Lag       Latency `json:"lag"`
	Pending   *int    `json:"pending"` // tasks in the queues; nil: not known
	Active    *int    `json:"active"`
}

// Seconds is a duration that JSON shows in seconds.
type Seconds time.Duration

// MarshalJSON implements json.Marshaler.
func (s Seconds) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(s).Seconds()) }

// String writes the duration to about three digits: 0.41 ms, 12.3 ms, 1.84 s, 75.2 s.
func (s Seconds) String() string {
	if s == 0 {
		return "0"
	}
	value, unit := time.Duration(s).Seconds(), "s"
	if time.Duration(s) < time.Second {
		value, unit = 1000*value, "ms"
	}
	digits := 2
	for bound := 9.995; value >= bound && digits > 0; bound *= 10 {
		digits--
	}
	return fmt.Sprintf("%.*f %s", digits, value, unit)
}
