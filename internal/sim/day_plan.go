package sim

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"
)

// Day is a day of the city that is to be acted out.
type Day struct {
	Seed   uint64
	Orders int
	Length time.Duration // into which the day is pressed; ways take as long as ever

	// Shares, 0 to 1.
	Taxis         float64 // of the trips: those without a destination
	DriverCancels float64 // of the trips: those whose driver calls them off
	RiderCancels  float64 // of the orders: those whose rider calls them off
	NoShows       float64 // of the orders: those whose rider does not come to the pickup
}

// wishes are how many people want to ride at each full hour of a day, in proportion:
// most of them on their way to work and back.
var wishes = [24]float64{
	0.3, 0.2, 0.15, 0.15, 0.3, 0.8, 2.2, 5, 6.5, 4, 2.6, 2.4,
	2.8, 2.5, 2.3, 2.6, 3.6, 6, 7, 5, 3.4, 2.4, 1.4, 0.7,
}

const (
	wholeDay      = 24 * time.Hour
	tripsAnOrder  = 1.2              // offered: many find nobody on their way
	everyHour     = 12.0             // trips besides, at any time of the day
	aheadOfRiders = 10 * time.Minute // that trips are offered before the riders come for whom they are
	earliestLeave = 8 * time.Minute  // from the offer to the departure
	latestLeave   = 30 * time.Minute
	onTheWay      = 1.2              // of the time to the departure, within which drivers call off: some after it
	soon          = time.Minute      // within which half of the riders who call off do it, most of them before the match
	later         = 20 * time.Minute // within which the others do it
	driversRate   = 0.4              // share of the drivers who rate their riders
	ridersRate    = 0.6              // share of the riders who rate their drivers
	newYear       = 946656000        // midnight of some day in the city, in Unix seconds
)

// tripPlan is a trip of a day. Its times count from when it is offered.
type tripPlan struct {
	due   time.Duration // after the beginning of the day
	offer func(now time.Time) TripOffer
	quits time.Duration // when its driver calls it off; 0: never
	stars int           // that its driver gives each rider; 0: none
}

// orderPlan is an order of a day. Its times count from when it is placed.
type orderPlan struct {
	due     time.Duration
	request func(now time.Time) OrderRequest
	cancels time.Duration // when its rider calls it off; 0: never
	stays   bool          // the rider does not come to the pickup
	stars   int           // that the rider gives the driver; 0: none
}

// dayPlan is what everybody in a city does on a day, earliest first.
type dayPlan struct {
	trips  []tripPlan
	orders []orderPlan
}

// plan lays the day out. The same day gives the same plan; of the people, each kind
// of misfortune has its own dice, so that its share changes nothing else.
func (d Day) plan() (p dayPlan) {
	spans := d.spans()
	for _, due := range moments(d.dice(1), spans, d.Orders) {
		p.orders = append(p.orders, orderPlan{due: due})
	}
	offers := moments(d.dice(2), spans, int(tripsAnOrder*float64(d.Orders)))
	for i := range offers {
		offers[i] = max(0, offers[i]-aheadOfRiders)
	}
	evenly := []span{{length: d.Length, from: 1, to: 1}}
	offers = append(offers, moments(d.dice(3), evenly, int(everyHour*d.Length.Hours()))...)
	slices.Sort(offers)
	for _, due := range offers {
		p.trips = append(p.trips, tripPlan{due: due})
	}
	d.people(p)
	d.misfortunes(p)
	d.opinions(p)
	return p
}

func (d Day) dice(of uint64) *rand.Rand { return rand.New(rand.NewPCG(d.Seed, 0xda1<<8|of)) }

// spans are how many orders come over the day, hour by hour.
func (d Day) spans() (all []span) {
	hour := d.Length / time.Duration(len(wishes))
	for i, rate := range wishes {
		all = append(all, span{begin: time.Duration(i) * hour, length: hour, from: rate, to: wishes[(i+1)%len(wishes)]})
	}
	return all
}

// moments draws n moments by the rates of spans, earliest first.
func moments(rng *rand.Rand, spans []span, n int) []time.Duration {
	all := 0.0
	for _, s := range spans {
		all += s.mass()
	}
	drawn := make([]time.Duration, n)
	for i := range drawn {
		at, k := rng.Float64()*all, 0
		for ; k < len(spans)-1 && at >= spans[k].mass(); k++ {
			at -= spans[k].mass()
		}
		drawn[i] = spans[k].when(at)
	}
	slices.SortFunc(drawn, cmp.Compare)
	return drawn
}

// people makes up who offers and who orders, by the hour of the day that it is.
func (d Day) people(p dayPlan) {
	riders, drivers, taxis := NewCity(d.Seed), NewCity(d.Seed+1), d.dice(4)
	clock := func(due time.Duration) time.Time {
		return time.Unix(newYear, 0).Add(time.Duration(float64(due) * float64(wholeDay) / float64(d.Length)))
	}
	for i := range p.orders {
		now := clock(p.orders[i].due)
		want := riders.Order(now)
		within := want.ArriveBefore.Sub(now)
		p.orders[i].request = func(now time.Time) OrderRequest {
			if r := want; !r.ArriveBefore.IsZero() {
				r.ArriveBefore = now.Add(within)
				return r
			}
			return want
		}
	}
	for i := range p.trips {
		offer := drivers.Trip(clock(p.trips[i].due))
		lead := drivers.between(earliestLeave, latestLeave)
		if taxis.Float64() < d.Taxis {
			offer.Destination, offer.MaxDetourMinutes = nil, 0
		}
		p.trips[i].offer = func(now time.Time) TripOffer {
			o := offer
			o.DepartAt = now.Add(lead)
			return o
		}
	}
}

// misfortunes decides by lot who calls off, when, and who does not come.
func (d Day) misfortunes(p dayPlan) {
	quits, cancels, stays := d.dice(5), d.dice(6), d.dice(7)
	for i := range p.trips {
		when := time.Second + time.Duration(quits.Float64()*onTheWay*float64(p.trips[i].lead()))
		if quits.Float64() < d.DriverCancels {
			p.trips[i].quits = when
		}
	}
	for i := range p.orders {
		within := soon
		if cancels.Float64() < 0.5 {
			within = later
		}
		when := time.Second + time.Duration(cancels.Float64()*float64(within))
		if cancels.Float64() < d.RiderCancels {
			p.orders[i].cancels = when
		}
		p.orders[i].stays = stays.Float64() < d.NoShows
	}
}

// opinions decides by lot who rates the other side, and with how many stars.
func (d Day) opinions(p dayPlan) {
	stars := func(rng *rand.Rand, share float64) int {
		given := []int{5, 5, 5, 5, 5, 5, 4, 4, 3, 1}[rng.IntN(10)]
		if rng.Float64() >= share {
			return 0
		}
		return given
	}
	drivers, riders := d.dice(8), d.dice(9)
	for i := range p.trips {
		p.trips[i].stars = stars(drivers, driversRate)
	}
	for i := range p.orders {
		p.orders[i].stars = stars(riders, ridersRate)
	}
}

// lead is the time from a trip's offer to its departure.
func (t tripPlan) lead() time.Duration {
	now := time.Unix(newYear, 0)
	return t.offer(now).DepartAt.Sub(now)
}
