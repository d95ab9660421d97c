package match

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/golang/geo/r3"
	"github.com/google/uuid"
)

const (
	mostTorn  = 8    // orders that one attempt moves
	blinkRate = 0.02 // share of vehicles that an attempt overlooks
	hottest   = 20 * time.Second
	coolest   = time.Second / 2
	lookEvery = 8 // attempts between looks at the clock
)

// improver moves orders that are not locked to where they cost less.
//
// It tears a few orders that start and end near each other out of their plans and
// puts them back one after the other, each where it costs least then, while a few
// vehicles chosen at random are overlooked: ruin and recreate as in Christiaens and
// Vanden Berghe, "Slack induction by string removals for vehicle routing problems",
// Transportation Science 54(2), 2020. What comes out is kept when it costs less, or
// only so little more as an annealing temperature allows that falls during a run;
// a run ends with the best plans it has seen.
type improver struct {
	fleet *fleet
	set   Settings
	rand  *rand.Rand
	seed  Ride

	orders  []movable
	waiting []Ride // without a vehicle
	torn    []int
	undo    []*route             // as they were before the attempt
	best    map[uuid.UUID]*route // of the vehicles that changed since, as they were in the best plans
	above   time.Duration        // cost of the plans over the best
	near    []nearby
}

// movable is an order that may move to another vehicle.
type movable struct {
	ride     Ride
	from, to r3.Vector
	slot     int // of its vehicle in the index
}

type nearby struct {
	order int
	apart float64
}

func newImprover(f *fleet, s Settings) *improver {
	return &improver{fleet: f, set: s, rand: rand.New(rand.NewPCG(s.Seed, 0x1e57)), best: map[uuid.UUID]*route{}}
}

// run improves the plans and returns the waiting rides that have no place. It adds
// those that found one to placed.
func (m *improver) run(waiting []Ride, placed map[uuid.UUID]bool) []Ride {
	m.collect()
	m.waiting = waiting
	if len(m.orders) == 0 {
		return waiting
	}
	m.above = 0
	clear(m.best)
	m.fleet.search.blink = func() bool { return m.rand.Float64() < blinkRate }
	defer func() { m.fleet.search.blink = nil }()
	began := m.set.Clock.Now()
	share := 0.0
	for n := 0; m.set.Moves == 0 || n < m.set.Moves; n++ {
		if n%lookEvery == 0 {
			share = float64(m.set.Clock.Now().Sub(began)) / float64(m.set.Budget)
			if share >= 1 {
				break
			}
		}
		if m.set.Moves > 0 {
			share = max(share, float64(n)/float64(m.set.Moves))
		}
		heat := float64(hottest) * math.Pow(float64(coolest)/float64(hottest), share)
		m.attempt(time.Duration(-heat*math.Log(1-m.rand.Float64())), placed)
	}
	for _, r := range m.best {
		m.fleet.change(r)
	}
	return m.waiting
}

// collect lists the orders that may move.
func (m *improver) collect() {
	m.orders = m.orders[:0]
	for slot, r := range m.fleet.index.slots {
		if r == nil {
			continue
		}
		for k := range r.stops() {
			v := &r.visits[k+1]
			if !v.pickup || v.told || k < r.path.Locked {
				continue
			}
			ride, _ := r.ride(v.order)
			m.orders = append(m.orders, movable{ride, v.vector, vector(ride.To.Point), slot})
		}
	}
}

// attempt tears some orders out and puts them back; it takes everything back when
// the plans then cost too much more, or an order finds no place.
func (m *improver) attempt(allowed time.Duration, placed map[uuid.UUID]bool) {
	m.choose()
	m.undo = m.undo[:0]
	var gain time.Duration
	for _, i := range m.torn {
		o := &m.orders[i]
		r := m.fleet.index.slots[o.slot]
		n := r.without(o.ride.Order, m.fleet.travel, m.fleet.now)
		gain += m.fleet.cost(r) - m.fleet.cost(n)
		m.replace(r, n)
	}
	m.arrange()
	for _, i := range m.torn {
		o := &m.orders[i]
		found := m.fleet.find(o.ride, 1, gain+allowed)
		if len(found) == 0 {
			m.takeBack()
			return
		}
		in := found[0]
		n := in.route.with(in, o.ride, m.fleet.travel, m.fleet.now)
		gain += m.fleet.cost(in.route) - m.fleet.cost(n)
		o.slot = in.route.stands.slot
		m.replace(in.route, n)
	}
	m.above -= gain
	if m.above < 0 {
		m.above = 0
		clear(m.best)
		return
	}
	for _, r := range m.undo {
		if _, ok := m.best[r.path.ID]; !ok {
			m.best[r.path.ID] = r
		}
	}
}

// replace gives a vehicle another route and remembers the one it had before the attempt.
func (m *improver) replace(old, r *route) {
	if !slices.ContainsFunc(m.undo, func(u *route) bool { return u.path.ID == old.path.ID }) {
		m.undo = append(m.undo, old)
	}
	m.fleet.change(r)
}

// takeBack undoes the attempt.
func (m *improver) takeBack() {
	for _, r := range m.undo {
		m.fleet.change(r)
	}
	for _, i := range m.torn {
		o := &m.orders[i]
		for _, r := range m.undo {
			if r.has(o.ride.Order) {
				o.slot = r.stands.slot
			}
		}
	}
}

// choose picks an order at random and some of those that start and end nearest to
// where it does.
func (m *improver) choose() {
	seed := m.rand.IntN(len(m.orders))
	m.torn = append(m.torn[:0], seed)
	most := min(1+m.rand.IntN(mostTorn), len(m.orders))
	s := &m.orders[seed]
	m.near = m.near[:0]
	for i := range m.orders {
		if o := &m.orders[i]; i != seed {
			m.near = append(m.near, nearby{i, o.from.Sub(s.from).Norm2() + o.to.Sub(s.to).Norm2()})
		}
	}
	for len(m.torn) < most {
		least := -1
		for i := range m.near {
			if n := &m.near[i]; n.order >= 0 && (least < 0 || n.apart < m.near[least].apart) {
				least = i
			}
		}
		if least < 0 {
			return
		}
		if m.rand.Float64() < 0.7 {
			m.torn = append(m.torn, m.near[least].order)
		}
		m.near[least].order = -1
	}
}

// arrange puts the torn orders into the order in which they are put back.
func (m *improver) arrange() {
	by := func(key func(o *movable) time.Duration) {
		slices.SortStableFunc(m.torn, func(a, b int) int { return cmp.Compare(key(&m.orders[a]), key(&m.orders[b])) })
	}
	switch m.rand.IntN(4) {
	case 0:
		by(func(o *movable) time.Duration { return o.ride.Latest })
	case 1:
		by(func(o *movable) time.Duration { return -time.Duration(1e9 * o.from.Sub(o.to).Norm()) })
	default:
		m.rand.Shuffle(len(m.torn), func(i, j int) { m.torn[i], m.torn[j] = m.torn[j], m.torn[i] })
	}
}
