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
	takeRate  = 0.7  // share of the nearest orders that are torn out
	blinkRate = 0.02 // share of vehicles that an attempt overlooks
	lookEvery = 8    // attempts between looks at the clock

	// The temperature falls from a mean loss that is accepted at first to one at the end.
	hottest = 20 * time.Second
	coolest = time.Second / 2
)

// improver moves orders that are not locked to where they cost less.
//
// It tears a few orders that start and end near each other out of their plans and
// puts them back one after the other, each where it costs least then, while a few
// vehicles chosen at random are overlooked: ruin and recreate as in Christiaens and
// Vanden Berghe, "Slack induction by string removals for vehicle routing problems",
// Transportation Science 54(2), 2020. What comes out is kept when it costs less, or
// only so little more as an annealing temperature allows that falls during a run;
// a run ends with the best plans it has seen. An order without a vehicle takes part
// as if it had been torn out; others make room for it, but none is left without.
type improver struct {
	fleet *fleet
	set   Settings
	rand  *rand.Rand

	orders []movable
	torn   []int
	undo   []*route             // as they were before the attempt
	best   map[uuid.UUID]*route // of the vehicles that changed since, as they were in the best plans
	above  time.Duration        // cost of the plans over the best
	near   []nearby
}

// movable is an order that may move to another vehicle.
type movable struct {
	ride     Ride
	from, to r3.Vector
	slot     int // of its vehicle in the index, or nowhere
	was      int // the slot before the attempt
	home     int // the slot that it costs to leave, or nowhere
}

// nowhere is the slot of an order that has no vehicle.
const nowhere = -1

type nearby struct {
	order int
	apart float64
}

func newImprover(f *fleet, s Settings) *improver {
	return &improver{fleet: f, set: s, rand: rand.New(rand.NewPCG(s.Seed, 0x1e57)), best: map[uuid.UUID]*route{}}
}

// choosy is how many vehicles an order is compared on when it costs to move it.
const choosy = 4

// run improves the plans, with the waiting rides where there is room, and returns
// those that it placed. Fresh are the orders that nobody knows a vehicle of.
func (m *improver) run(waiting []Ride, fresh map[uuid.UUID]bool) (placed []uuid.UUID) {
	m.collect(waiting, fresh)
	if len(m.orders) == 0 {
		return nil
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
			if share >= 1 || m.set.stopped() {
				break
			}
		}
		if m.set.Moves > 0 {
			share = max(share, float64(n)/float64(m.set.Moves))
		}
		heat := float64(hottest) * math.Pow(float64(coolest)/float64(hottest), share)
		m.attempt(time.Duration(-heat * math.Log(1-m.rand.Float64())))
	}
	for _, r := range m.fleet.index.slots { // in an order that is always the same
		if r != nil && m.best[r.path.ID] != nil {
			m.fleet.change(m.best[r.path.ID])
		}
	}
	for _, o := range m.orders[len(m.orders)-len(waiting):] {
		if o.slot != nowhere {
			placed = append(placed, o.ride.Order)
		}
	}
	return placed
}

// collect lists the orders that may move, and behind them those that wait.
func (m *improver) collect(waiting []Ride, fresh map[uuid.UUID]bool) {
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
			o := movable{ride: ride, from: v.vector, to: vector(ride.To.Point), slot: slot, home: slot}
			if m.set.Moving == 0 || fresh[v.order] {
				o.home = nowhere
			}
			m.orders = append(m.orders, o)
		}
	}
	for _, ride := range waiting {
		m.orders = append(m.orders, movable{ride: ride, from: vector(ride.From.Point), to: vector(ride.To.Point), slot: nowhere, home: nowhere})
	}
}

// attempt tears some orders out and puts them back; it takes everything back when
// the plans then cost too much more, or an order loses its vehicle.
func (m *improver) attempt(allowed time.Duration) {
	m.choose()
	m.undo = m.undo[:0]
	gain := m.tear()
	m.arrange()
	for _, i := range m.torn {
		o := &m.orders[i]
		worth := time.Duration(0)
		if o.was == nowhere {
			worth = m.set.loss(m.fleet, o.ride)
		}
		in, away := m.find(o, gain+worth+allowed)
		switch {
		case in.route != nil:
			gain -= away
			n := in.route.with(in, o.ride, m.fleet.travel, m.fleet.now)
			gain += worth + m.fleet.cost(in.route) - m.fleet.cost(n)
			o.slot = in.route.stands.slot
			m.replace(in.route, n)
		case o.was != nowhere:
			m.takeBack()
			return
		}
	}
	m.settle(gain)
}

// find returns the best insertion of an order, moving it counted in, that costs no
// more than the limit, and what moving it costs; its route is nil when there is none.
func (m *improver) find(o *movable, limit time.Duration) (best insertion, away time.Duration) {
	most := 1
	if o.home != nowhere {
		most = choosy
	}
	for _, in := range m.fleet.find(o.ride, most, limit) {
		a := m.away(o, in.route.stands.slot)
		if in.cost+a <= limit && (best.route == nil || in.cost+a < best.cost+away) {
			best, away = in, a
		}
	}
	return best, away
}

// away returns what it costs that an order is on the vehicle of a slot.
func (m *improver) away(o *movable, slot int) time.Duration {
	if o.home == nowhere || o.home == slot {
		return 0
	}
	return m.set.Moving
}

// tear takes the torn orders out of their plans and returns what that saves.
func (m *improver) tear() (gain time.Duration) {
	for _, i := range m.torn {
		o := &m.orders[i]
		o.was, o.slot = o.slot, nowhere
		if o.was == nowhere {
			continue
		}
		r := m.fleet.index.slots[o.was]
		n := r.without(o.ride.Order, m.fleet.travel, m.fleet.now)
		gain += m.fleet.cost(r) - m.fleet.cost(n) + m.away(o, o.was)
		m.replace(r, n)
	}
	return gain
}

// settle keeps the plans of an attempt and remembers the best.
func (m *improver) settle(gain time.Duration) {
	if m.above -= gain; m.above < 0 {
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
		m.orders[i].slot = m.orders[i].was
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
		if m.rand.Float64() < takeRate {
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
