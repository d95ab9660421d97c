package sim

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/spotpool/spotpool/internal/geo"
)

// hub is a part of town that many people come from or go to.
type hub struct {
	name     string
	lat, lng float64
	weight   float64 // how many people, relative to the other hubs of its table
}

// Where Shanghai sleeps, and where it works.
var (
	homes = []hub{
		{"莘庄 Xinzhuang", 31.111, 121.385, 5},
		{"九亭 Jiuting", 31.138, 121.319, 3},
		{"江桥 Jiangqiao", 31.242, 121.327, 2},
		{"顾村 Gucun", 31.345, 121.373, 3},
		{"三林 Sanlin", 31.145, 121.511, 3},
		{"周浦 Zhoupu", 31.112, 121.580, 2},
		{"川沙 Chuansha", 31.187, 121.703, 1},
	}
	offices = []hub{
		{"陆家嘴 Lujiazui", 31.238, 121.500, 5},
		{"人民广场 People's Square", 31.233, 121.475, 4},
		{"张江 Zhangjiang", 31.203, 121.595, 4},
		{"漕河泾 Caohejing", 31.171, 121.399, 3},
		{"虹桥 Hongqiao", 31.195, 121.323, 2},
		{"五角场 Wujiaochang", 31.300, 121.514, 2},
	}
	localTime = time.FixedZone("Asia/Shanghai", 8*60*60)
)

const (
	hubSpread      = 700.0  // metres: standard deviation of an address from its hub
	metresPerLat   = 111195 // of the mean sphere
	commuters      = 0.85   // share that follows the rush hour's direction
	leavesRightNow = 0.25   // share of orders that name no times at all

	shortestLead = 3 * time.Minute // from a trip's offer to its departure
	longestLead  = 15 * time.Minute
	meanLead     = (shortestLead + longestLead) / 2
)

// City makes up people who commute in Shanghai: towards the offices in the
// morning, homewards in the evening, either way in between. The same seed and
// calls give the same people. Not safe for concurrent use.
type City struct{ rng *rand.Rand }

// NewCity returns the city of a seed.
func NewCity(seed uint64) *City { return &City{rand.New(rand.NewPCG(seed, 0x5907))} }

// Trip returns what some driver offers at now: a commute that begins in 3 to 15 minutes.
func (c *City) Trip(now time.Time) TripOffer {
	from, to := c.commute(now)
	return TripOffer{
		Origin:           from,
		Destination:      &to,
		DepartAt:         now.Add(c.between(shortestLead, longestLead)),
		Seats:            []int{3, 4, 4, 4, 6}[c.rng.IntN(5)],
		MaxDetourMinutes: 15 + 5*c.rng.IntN(3),
	}
}

// Order returns what some rider orders at now: most leave from now on and give
// the ride and the waiting for it 25 to 40 minutes more than half as long again
// as driving alone takes; the others name no times.
func (c *City) Order(now time.Time) OrderRequest {
	from, to := c.commute(now)
	seats := []int{1, 1, 1, 1, 1, 1, 1, 2, 2, 3}[c.rng.IntN(10)]
	r := OrderRequest{Ask: Ask{Origin: from, Destination: to, Seats: seats}}
	if c.rng.Float64() >= leavesRightNow {
		direct := geo.Between(geo.DefaultTravel, from.Point, to.Point).Duration
		r.ArriveBefore = now.Add(direct*3/2 + c.between(25*time.Minute, 40*time.Minute))
	}
	return r
}

// commute picks both ends of somebody's way.
func (c *City) commute(now time.Time) (from, to Place) {
	home, office := c.address(homes), c.address(offices)
	towork := 0.5
	switch hour := now.In(localTime).Hour(); {
	case hour >= 5 && hour < 11:
		towork = commuters
	case hour >= 16 && hour < 22:
		towork = 1 - commuters
	}
	if c.rng.Float64() < towork {
		return home, office
	}
	return office, home
}

// address picks a hub by weight and a place around it, to about a metre.
func (c *City) address(hubs []hub) Place {
	total := 0.0
	for _, h := range hubs {
		total += h.weight
	}
	at := c.rng.Float64() * total
	i := 0
	for ; i < len(hubs)-1 && at >= hubs[i].weight; i++ {
		at -= hubs[i].weight
	}
	h := hubs[i]
	north, east := c.rng.NormFloat64()*hubSpread, c.rng.NormFloat64()*hubSpread
	round := func(deg float64) float64 { return math.Round(deg*1e5) / 1e5 }
	return Place{Name: h.name, Point: geo.Point{
		Lat: round(h.lat + north/metresPerLat),
		Lng: round(h.lng + east/(metresPerLat*math.Cos(h.lat*math.Pi/180))),
	}}
}

func (c *City) between(low, high time.Duration) time.Duration {
	return (low + time.Duration(c.rng.Int64N(int64(high-low)))).Truncate(time.Second)
}
