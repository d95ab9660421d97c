package match

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/trip"
)

// change is what belongs together of a decision: plans between which orders move, and
// what becomes of the orders.
type change struct {
	plans  []replan // by trip
	placed []Move   // from no trip
	moved  []Move
}

// replan is a trip with its new plan; its version is the one that was made from.
type replan struct {
	trip  trip.Trip
	saves time.Duration
}

// planner turns a dispatcher's decision into changes of trips and orders.
type planner struct {
	d     *Dispatcher
	trips map[uuid.UUID]trip.Trip // as they were
	was   map[uuid.UUID]uuid.UUID // by order: its trip
	stops map[stopKey]trip.Stop   // of all orders concerned
}

type stopKey struct {
	order uuid.UUID
	kind  trip.StopKind
}

func newPlanner(d *Dispatcher, trips map[uuid.UUID]trip.Trip, waiting []Request) *planner {
	p := &planner{d: d, trips: trips, was: map[uuid.UUID]uuid.UUID{}, stops: map[stopKey]trip.Stop{}}
	for _, req := range waiting {
		up, down := req.stops()
		p.know(up, down)
	}
	return p
}

func (p *planner) know(stops ...trip.Stop) {
	for _, s := range stops {
		p.stops[stopKey{s.OrderID, s.Kind}] = s
	}
}

// changes returns what a decision changes, in the order of the trips' ids.
func (p *planner) changes(d Decision) (all []*change) {
	for _, path := range d.Paths {
		plan := p.trips[path.ID].Plan
		p.know(plan...)
		for _, order := range plan.Orders() {
			p.was[order] = path.ID
		}
	}
	of := map[uuid.UUID]*change{} // by trip
	for _, path := range d.Paths {
		c := &change{}
		of[path.ID] = c
		all = append(all, c)
		p.add(c, path)
	}
	// Who moves makes one change of two.
	for _, path := range d.Paths {
		c := of[path.ID]
		for _, m := range slices.Clone(c.moved) {
			if from := of[m.From]; from != c {
				c.take(from)
				for _, r := range from.plans {
					of[r.trip.ID] = c
				}
				from.plans = nil
			}
		}
	}
	all = slices.DeleteFunc(all, func(c *change) bool { return len(c.plans) == 0 || !c.pays(p.d.set.Moving) })
	for _, c := range all { // rows are locked in an order that is always the same
		slices.SortFunc(c.plans, func(a, b replan) int { return compare(a.trip.ID, b.trip.ID) })
		slices.SortFunc(c.placed, byOrder)
		slices.SortFunc(c.moved, byOrder)
	}
	return all
}

// add adds the new plan of a trip to a change, with the orders that come onto it.
func (p *planner) add(c *change, path Path) {
	t := p.trips[path.ID]
	before := p.cost(t)
	t.Plan = make(trip.Plan, len(path.Stops))
	for i, s := range path.Stops {
		t.Plan[i] = p.stops[stopKey{s.Order, s.Kind}]
	}
	t = t.Reschedule(p.d.fleet.travel)
	c.plans = append(c.plans, replan{t, before - p.cost(t)})
	for _, order := range t.Plan.Orders() {
		from, had := p.was[order]
		m := Move{Order: order, From: from, To: t.ID}
		m.PickupAt, m.DropoffAt = times(t.Plan, order)
		switch {
		case !had:
			c.placed = append(c.placed, m)
		case from != t.ID:
			m.WasAt, _ = times(p.trips[from].Plan, order)
			c.moved = append(c.moved, m)
		}
	}
}

// cost returns what a trip costs by the dispatcher's measure.
func (p *planner) cost(t trip.Trip) time.Duration {
	return p.d.fleet.cost(newRoute(pathOf(t, p.d.fleet.travel), p.d.fleet.travel))
}

// times returns when a plan serves an order.
func times(plan trip.Plan, order uuid.UUID) (pickup, dropoff time.Time) {
	for _, s := range plan {
		switch {
		case s.OrderID != order:
		case s.Kind == trip.Pickup:
			pickup = s.At
		default:
			dropoff = s.At
		}
	}
	return pickup, dropoff
}

func byOrder(a, b Move) int { return compare(a.Order, b.Order) }

// take makes another change part of this one.
func (c *change) take(o *change) {
	c.plans = append(c.plans, o.plans...)
	c.placed = append(c.placed, o.placed...)
	c.moved = append(c.moved, o.moved...)
}

// pays reports whether a change is worth it: it serves an order more, or saves more
// than it costs to move orders.
func (c *change) pays(moving time.Duration) bool {
	saves := time.Duration(0)
	for _, r := range c.plans {
		saves += r.saves
	}
	return len(c.placed) > 0 || saves > moving*time.Duration(len(c.moved))
}
