package bench

import (
	"container/heap"
	"fmt"
	"slices"
	"time"

	"github.com/spotpool/spotpool/internal/geo"
)

// stop is where a vehicle picks up or drops off one order.
type stop struct {
	order  *ride
	pickup bool
}

func (s stop) spot() geo.Spot {
	if s.pickup {
		return s.order.From
	}
	return s.order.To
}

// ride is an order and what became of it.
type ride struct {
	Order
	direct          geo.Leg
	car             *car // that it is assigned to
	picked, dropped time.Time
}

// car is a vehicle and what it does.
type car struct {
	Vehicle
	from  geo.Spot  // where it last stopped or turned
	since time.Time // when it left there, or came there if it has nothing to do; may lie ahead
	plan  []stop    // what lies ahead
	way   Way       // from there to where it goes; nil until somebody asks
	due   time.Time // when it will have done the next stop, or have arrived at its destination
	place int       // in the world's queue; -1: it has nothing to do
	ended bool      // it has arrived at its destination
}

// target returns where the car goes, if anywhere.
func (c *car) target() (geo.Spot, bool) {
	switch {
	case len(c.plan) > 0:
		return c.plan[0].spot(), true
	case c.Dest != nil && !c.ended:
		return *c.Dest, true
	}
	return geo.Spot{}, false
}

// world moves vehicles on a virtual clock as their plans say.
type world struct {
	ground Ground
	cars   []*car
	rides  []*ride // earliest first
	queue  queue   // of the cars that have something to do
	log    *decisionLog
	driven float64 // metres, by all cars
}

func newWorld(ground Ground, in Instance, log *decisionLog) *world {
	w := &world{ground: ground, log: log}
	for _, v := range in.Vehicles {
		c := &car{Vehicle: v, from: v.At, since: v.Start, place: -1}
		w.cars = append(w.cars, c)
		w.aim(c)
	}
	for _, o := range in.Orders {
		w.rides = append(w.rides, &ride{Order: o, direct: ground.Leg(o.From, o.To)})
	}
	return w
}

// advance lets everything happen that is due by now, and calls at with each car
// that stopped.
func (w *world) advance(now time.Time, at func(*car)) {
	for len(w.queue) > 0 && !w.queue[0].due.After(now) {
		c := w.queue[0]
		w.arrive(c)
		at(c)
	}
}

// arrive does the car's next stop.
func (w *world) arrive(c *car) {
	there, _ := c.target()
	w.driven += w.ground.Leg(c.from, there).Metres
	c.from, c.since = there, c.due
	if len(c.plan) == 0 {
		c.ended = true
		w.aim(c)
		return
	}
	s := c.plan[0]
	c.plan = c.plan[1:]
	e := entry{vehicle: c.ID, at: c.due, node: there.Node, event: droppedOff, order: s.order.ID}
	if s.pickup {
		s.order.picked, e.event = c.due, pickedUp
	} else {
		s.order.dropped = c.due
	}
	w.log.add(e)
	w.aim(c)
}

// aim works out when the car's next stop is done.
func (w *world) aim(c *car) {
	c.way = nil
	there, some := c.target()
	if some {
		c.due = c.since.Add(w.ground.Leg(c.from, there).Duration)
		if len(c.plan) > 0 && c.plan[0].pickup && c.due.Before(c.plan[0].order.Early) {
			c.due = c.plan[0].order.Early
		}
	}
	switch {
	case some && c.place < 0:
		heap.Push(&w.queue, c)
	case some:
		heap.Fix(&w.queue, c.place)
	case c.place >= 0:
		heap.Remove(&w.queue, c.place)
	}
}

// turn returns where the car can be sent elsewhere, and when it is there.
func (w *world) turn(c *car, now time.Time) (geo.Spot, time.Time) {
	there, some := c.target()
	switch {
	case now.Before(c.since):
		return c.from, c.since
	case !some:
		return c.from, now
	}
	if c.way == nil {
		c.way = w.ground.Way(c.from, there)
	}
	spot, after := c.way.Turn(now.Sub(c.since))
	at := c.since.Add(after)
	if at.Before(now) {
		at = now // it has been there and waits
	}
	return spot, at
}

// change is a new plan for a car.
type change struct {
	car  *car
	plan []stop
}

// apply gives cars the plans that were decided now: each turns where it can. An
// order that was promised a seat must keep one, or the error names it.
func (w *world) apply(now time.Time, changes []change) error {
	var lost []*ride
	for _, ch := range changes {
		lost = append(lost, w.replan(ch.car, now, ch.plan)...)
	}
	for _, r := range lost {
		if r.car == nil {
			return fmt.Errorf("bench: order %d was dropped at %s s", r.ID, clockTime(now))
		}
	}
	return nil
}

// replan gives the car a plan and returns the orders that were taken from it.
func (w *world) replan(c *car, now time.Time, plan []stop) (taken []*ride) {
	spot, at := w.turn(c, now)
	w.driven += w.ground.Leg(c.from, spot).Metres
	old := c.plan
	c.from, c.since, c.plan = spot, at, plan
	e := entry{vehicle: c.ID, at: at, node: spot.Node, decided: now, event: moved}
	for _, s := range old {
		if slices.Contains(plan, s) || !s.pickup && s.order.picked.IsZero() {
			continue // kept, or told with its pickup
		}
		e.event, e.order = unassigned, s.order.ID
		w.log.add(e)
		taken = append(taken, s.order)
		if s.order.car == c {
			s.order.car = nil
		}
	}
	for _, s := range plan {
		if s.pickup && !slices.Contains(old, s) {
			e.event, e.order = assigned, s.order.ID
			w.log.add(e)
			s.order.car = c
		}
	}
	if e.event == moved {
		w.log.add(e)
	}
	w.aim(c)
	return taken
}

// queue is a heap of cars, the one that is due first on top, equals by id.
type queue []*car

func (q queue) Len() int { return len(q) }

func (q queue) Less(i, j int) bool {
	if q[i].due.Equal(q[j].due) {
		return q[i].ID < q[j].ID
	}
	return q[i].due.Before(q[j].due)
}

func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].place, q[j].place = i, j
}

// Push implements heap.Interface.
func (q *queue) Push(x any) {
	c := x.(*car)
	c.place = len(*q)
	*q = append(*q, c)
}

// Pop implements heap.Interface.
func (q *queue) Pop() any {
	old := *q
	c := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	c.place = -1
	return c
}
