package bench

import (
	"fmt"
	"time"

	"github.com/spotpool/spotpool/internal/geo"
	"github.com/spotpool/spotpool/internal/match"
	"github.com/spotpool/spotpool/internal/sim"
)

// decideWithin is how long an order waits for a vehicle, in recorded instances as in the city.
const decideWithin = time.Minute

// CityPlan says what a synthetic city is asked for.
type CityPlan struct {
	Vehicles int // taxis, or carpool drivers of whom so many take orders at any time
	Orders   int
	Over     time.Duration // the orders come evenly over this
	Taxis    bool
	Seed     uint64
}

// rush is when the city's clock begins, on a working day's morning.
var rush = time.Date(2026, 3, 2, 8, 0, 0, 0, time.FixedZone("Asia/Shanghai", 8*60*60))

const taxiSeats = 4

// City makes up an instance in the synthetic city of internal/sim, on Open ground.
// When a carpool driver leaves, another offers a trip, so that their number stays.
func City(p CityPlan) Instance {
	city, kind := sim.NewCity(p.Seed), "carpool drivers at a time"
	if p.Taxis {
		kind = "taxis"
	}
	in := Instance{Name: fmt.Sprintf("city, %d %s, %d orders in %s, seed %d", p.Vehicles, kind, p.Orders, p.Over, p.Seed)}
	for range p.Vehicles {
		if p.Taxis {
			in.Vehicles = append(in.Vehicles, Vehicle{
				ID: len(in.Vehicles), At: spot(city.Trip(rush).Origin), Seats: taxiSeats, End: match.NoLimit,
			})
			continue
		}
		for at := time.Duration(0); at <= p.Over; {
			v := driver(city, at)
			v.ID, at = len(in.Vehicles), v.Start
			in.Vehicles = append(in.Vehicles, v)
		}
	}
	for i := range p.Orders {
		o := rider(city, p.Over*time.Duration(i)/time.Duration(p.Orders))
		o.ID = i
		in.Orders = append(in.Orders, o)
	}
	return in
}

func spot(p sim.Place) geo.Spot { return geo.DefaultTravel.Locate(p.Point) }

// driver offers a trip at a moment.
func driver(city *sim.City, at time.Duration) Vehicle {
	t := city.Trip(rush.Add(at))
	from, to := spot(t.Origin), spot(*t.Destination)
	leaves := t.DepartAt.Sub(rush)
	detour := time.Duration(t.MaxDetourMinutes) * time.Minute
	return Vehicle{
		At: from, Dest: &to, Seats: t.Seats, Known: at, Start: leaves,
		End: leaves + geo.DefaultTravel.Leg(from, to).Duration + detour,
	}
}

// rider orders a seat at a moment. Who names no time accepts to arrive half an hour
// and half the direct way later than alone.
func rider(city *sim.City, at time.Duration) Order {
	r := city.Order(rush.Add(at))
	o := Order{From: spot(r.Origin), To: spot(r.Destination), Seats: r.Seats, Known: at, Until: at + decideWithin, Early: at}
	o.Late = at + geo.DefaultTravel.Leg(o.From, o.To).Duration*3/2 + 30*time.Minute
	if !r.ArriveBefore.IsZero() {
		o.Late = r.ArriveBefore.Sub(rush)
	}
	return o
}
