package sim

import (
	"cmp"
	"iter"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/spotpool/spotpool/internal/geo"
)

const (
	outside       = -1               // the step of what comes in no step
	ordersPerTrip = 2                // of a city: about 2.8 seats for the 4.2 of a trip
	tripLead      = 15 * time.Minute // from the last order of a replayed trip's moment to its departure
	tripDetour    = 15 * time.Minute // that the driver of a replayed trip accepts
	orderSlack    = 20 * time.Minute // that a replayed rider adds to the lead and the direct way
)

// arrival is one request of a plan. Exactly one of offer and order is set; it
// returns what is asked for at a given time. They are called in the order of
// the arrivals, by one goroutine.
type arrival struct {
	due   time.Duration // after the beginning
	step  int           // an index into Plan.Steps, or outside
	offer func(now time.Time) TripOffer
	order func(now time.Time) OrderRequest
}

// Step is a span of a run in which orders come at one rate and are measured together.
type Step struct {
	Rate     float64 // orders a second, on average
	From, To time.Duration
}

// Plan is what a load test sends and when: the stock of trips that are on offer
// before it begins, and the arrivals, earliest first.
type Plan struct {
	Steps    []Step
	stock    int
	offer    func(now time.Time) TripOffer // of the stock
	arrivals []arrival
}

// Orders returns how many orders the plan sends.
func (p Plan) Orders() (n int) {
	for _, a := range p.arrivals {
		if a.order != nil {
			n++
		}
	}
	return n
}

// trips returns how many trips the plan offers, the stock among them.
func (p Plan) trips() int { return p.stock + len(p.arrivals) - p.Orders() }

// length returns when the last arrival is due or the last step ends.
func (p Plan) length() (d time.Duration) {
	for _, s := range p.Steps {
		d = max(d, s.To)
	}
	if n := len(p.arrivals); n > 0 {
		d = max(d, p.arrivals[n-1].due)
	}
	return d
}

// CityLoad says how the people of a synthetic city come.
type CityLoad struct {
	Seed    uint64
	Rates   []float64     // orders a second, a step each
	Ramp    time.Duration // in which the rate climbs, or falls, to that of the next step
	Hold    time.Duration // how long a step lasts after its ramp
	Drivers int           // trips on offer at any time; 0: none is offered at all
	Taxis   float64       // share of the trips that have no destination
}

// Plan lays the load out. Orders come as a Poisson process; those of a ramp
// belong to no step. Trips replace what is taken and what departs: one for every
// other order, and Drivers in the mean time that a trip is on offer, by Little's
// law. The same load gives the same plan, whose people are those of the seed.
func (c CityLoad) Plan() Plan {
	city := NewCity(c.Seed)
	trips := c.trips(city)
	p := Plan{stock: c.Drivers, offer: trips}
	var spans []span
	end, rate := time.Duration(0), 0.0
	for i, next := range c.Rates {
		spans = append(spans, span{end, c.Ramp, rate, next, outside}, span{end + c.Ramp, c.Hold, next, next, i})
		p.Steps = append(p.Steps, Step{next, end + c.Ramp, end + c.Ramp + c.Hold})
		end, rate = end+c.Ramp+c.Hold, next
	}
	lacking, before := 0.0, time.Duration(0)
	for due, step := range poisson(rand.New(rand.NewPCG(c.Seed, 0x10ad)), spans) {
		if c.Drivers > 0 {
			lacking += 1.0/ordersPerTrip + float64(c.Drivers)*float64(due-before)/float64(meanLead)
		}
		for ; lacking >= 1; lacking-- {
			p.arrivals = append(p.arrivals, arrival{due: due, step: step, offer: trips})
		}
		p.arrivals = append(p.arrivals, arrival{due: due, step: step, order: city.Order})
		before = due
	}
	return p
}

// trips returns who makes the city's trips, some of them taxis'.
func (c CityLoad) trips(city *City) func(now time.Time) TripOffer {
	taxis := rand.New(rand.NewPCG(c.Seed, 0x7a71)) // of their own, so that the people stay the same
	return func(now time.Time) TripOffer {
		o := city.Trip(now)
		if taxis.Float64() < c.Taxis {
			o.Destination, o.MaxDetourMinutes = nil, 0
		}
		return o
	}
}

// span is a time in which a rate goes evenly from one value to another.
type span struct {
	begin, length time.Duration
	from, to      float64 // events a second
	step          int
}

// mass returns how many events the span has on average.
func (s span) mass() float64 { return (s.from + s.to) / 2 * s.length.Seconds() }

// when returns the moment by which a mass of the span has passed, the root of
// from·t + (to − from)/(2·length)·t² = mass.
func (s span) when(mass float64) time.Duration {
	slope := (s.to - s.from) / s.length.Seconds()
	root := math.Sqrt(max(0, s.from*s.from+2*slope*mass))
	return s.begin + min(s.length, time.Duration(2*mass/(s.from+root)*float64(time.Second)))
}

// poisson yields the moments of a Poisson process whose rate follows the spans,
// each with the step of its span: a process of rate 1, carried over by the
// inverse of the mean (Çinlar, Introduction to Stochastic Processes, 1975, 4.7).
func poisson(rng *rand.Rand, spans []span) iter.Seq2[time.Duration, int] {
	return func(yield func(time.Duration, int) bool) {
		gap := rng.ExpFloat64()
		for _, s := range spans {
			passed, all := 0.0, s.mass()
			for passed+gap < all {
				passed += gap
				if !yield(s.when(passed), s.step) {
					return
				}
				gap = rng.ExpFloat64()
			}
			gap -= all - passed
		}
	}
}

// ReplayPlan lays recorded rides out so that all of them are sent within over,
// which must be positive. Drivers' rides become trips and riders' rides become
// orders; a trip comes a fifth of over before the orders that were recorded at
// the same moment. The orders are one step.
func ReplayPlan(rides []Ride, over time.Duration) Plan {
	if len(rides) == 0 {
		return Plan{}
	}
	ahead := over / 5
	scale := float64(over-ahead) / float64(max(rides[len(rides)-1].Start, 1))
	p := Plan{arrivals: make([]arrival, len(rides))}
	for i, ride := range rides {
		due := time.Duration(float64(ride.Start) * scale)
		if ride.Driver {
			p.arrivals[i] = arrival{due: due, offer: ride.trip(ahead + tripLead)}
		} else {
			p.arrivals[i] = arrival{due: due + ahead, order: ride.request}
		}
	}
	slices.SortStableFunc(p.arrivals, func(a, b arrival) int { return cmp.Compare(a.due, b.due) })
	p.Steps = []Step{{Rate: float64(p.Orders()) / (over - ahead).Seconds(), From: ahead, To: over}}
	return p
}

// trip returns what the ride's driver offers, departing after lead.
func (r Ride) trip(lead time.Duration) func(now time.Time) TripOffer {
	return func(now time.Time) TripOffer {
		return TripOffer{
			Origin:           Place{Point: r.Origin},
			Destination:      &Place{Point: r.Dest},
			DepartAt:         now.Add(lead),
			Seats:            r.Seats,
			MaxDetourMinutes: int(tripDetour / time.Minute),
		}
	}
}

// request returns what the ride's rider orders.
func (r Ride) request(now time.Time) OrderRequest {
	direct := geo.Between(geo.DefaultTravel, r.Origin, r.Dest).Duration
	return OrderRequest{
		Ask: Ask{
			Origin:      Place{Point: r.Origin},
			Destination: Place{Point: r.Dest},
			Seats:       r.Seats,
		},
		ArriveBefore: now.Add(tripLead + direct + orderSlack),
	}
}
