package bench

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/geo"
	"github.com/spotpool/spotpool/internal/match"
	"github.com/spotpool/spotpool/internal/trip"
)

// ride is an order and what became of it.
type ride struct {
	Order
	direct          geo.Leg
	car             *car          // that it is assigned to
	decided         time.Duration // when it was assigned to that
	picked, dropped time.Duration
	promised        bool // it has been assigned at some time
	aboard, served  bool
}

// car is a vehicle and what it does. The path is its plan as of when it last
// stopped or turned.
type car struct {
	Vehicle
	path  match.Path
	leave time.Duration // when it leaves the path's start, if it has anything to do
	way   Way           // from there to where it goes; nil until somebody asks
	due   time.Duration // when it will have done the next stop, or have arrived at its end; or idle
	move  time.Duration // when the dispatcher must be told again where it is; or idle
	gone  bool          // the dispatcher knows of it no more
	ended bool          // it has arrived at its end
}

// idle is when nothing happens to a car.
const idle time.Duration = -1

// target returns where the car goes, if anywhere.
func (c *car) target() (geo.Spot, bool) {
	switch {
	case len(c.path.Stops) > 0:
		return c.path.Stops[0].Spot, true
	case c.path.End != nil && !c.ended:
		return *c.path.End, true
	}
	return geo.Spot{}, false
}

// world moves vehicles on a virtual clock as their plans say.
type world struct {
	ground Ground
	cars   []*car
	rides  []*ride
	stops  agenda
	log    *decisionLog
	driven float64 // metres, by all cars
	open   int     // orders that are assigned and not picked up
}

func newWorld(ground Ground, in Instance, log *decisionLog) *world {
	w := &world{ground: ground, log: log}
	for i, v := range in.Vehicles {
		c := &car{Vehicle: v, move: idle, path: match.Path{
			ID: idOf(i), Seats: v.Seats, Start: v.At, StartAt: v.Start, LeaveAt: v.Leave, MaxStops: v.MaxStops, End: v.Dest, EndBy: v.End,
		}}
		w.cars = append(w.cars, c)
		w.aim(c)
	}
	for _, o := range in.Orders {
		w.rides = append(w.rides, &ride{Order: o, direct: ground.Leg(o.From, o.To)})
	}
	return w
}

// idOf returns the engine's name for the i-th car or ride.
func idOf(i int) (id uuid.UUID) {
	binary.BigEndian.PutUint64(id[8:], uint64(i))
	return id
}

// indexOf undoes idOf.
func indexOf(id uuid.UUID) int { return int(binary.BigEndian.Uint64(id[8:])) }

// advance lets everything happen that is due by now, and calls at with each car
// that stopped.
func (w *world) advance(now time.Duration, at func(*car)) {
	for {
		d, ok := w.stops.take(now)
		if !ok {
			return
		}
		if d.at == d.car.due {
			w.arrive(d.car)
			at(d.car)
		}
	}
}

// arrive does the car's next stop.
func (w *world) arrive(c *car) {
	there, _ := c.target()
	w.driven += w.ground.Leg(c.path.Start, there).Metres
	c.path.Start, c.path.StartAt, c.path.LeaveAt = there, c.due, 0
	if len(c.path.Stops) == 0 {
		c.ended = true
	} else {
		w.stop(c, c.path.Stops[0])
		c.path.Stops = c.path.Stops[1:]
	}
	w.aim(c)
}

func (w *world) stop(c *car, s match.Stop) {
	r := w.rides[indexOf(s.Order)]
	e := entry{vehicle: c.ID, at: c.due, node: s.Spot.Node, event: droppedOff, order: r.ID}
	if s.Kind == trip.Pickup {
		r.picked, r.aboard, e.event = c.due, true, pickedUp
		w.open--
	} else {
		r.dropped, r.aboard, r.served = c.due, false, true
	}
	w.log.add(e)
}

// aim works out when the car's next stop is done.
func (w *world) aim(c *car) {
	c.way, c.due = nil, idle
	there, some := c.target()
	if !some {
		return
	}
	c.leave = max(c.path.StartAt, c.path.LeaveAt)
	c.due = c.leave + w.ground.Leg(c.path.Start, there).Duration
	if len(c.path.Stops) > 0 {
		c.due = max(c.due, c.path.Stops[0].Earliest)
	}
	w.stops.add(c, c.due)
}

// turn returns where the car can be sent elsewhere, and when it is there.
func (w *world) turn(c *car, now time.Duration) (geo.Spot, time.Duration) {
	there, some := c.target()
	if !some || now <= c.leave {
		return c.path.Start, max(c.path.StartAt, now)
	}
	if c.way == nil {
		c.way = w.ground.Way(c.path.Start, there)
	}
	spot, after := c.way.Turn(now - c.leave)
	return spot, max(c.leave+after, now) // it may have been there and wait
}

// snapshot returns the car's path as of now.
func (w *world) snapshot(c *car, now time.Duration) match.Path {
	p := c.path
	p.Start, p.StartAt = w.turn(c, now)
	return p
}

// apply gives cars the plans that were decided now: each turns where it can. An
// order that was promised a seat must keep one, or the error names it.
func (w *world) apply(now time.Duration, plans []match.Path) error {
	var taken []*ride
	for _, p := range plans {
		taken = append(taken, w.replan(w.cars[indexOf(p.ID)], now, p)...)
	}
	for _, r := range taken {
		if r.car == nil {
			return fmt.Errorf("bench: order %d was dropped at %s s", r.ID, clockTime(now))
		}
	}
	return nil
}

// replan gives the car a plan and returns the orders that were taken from it.
func (w *world) replan(c *car, now time.Duration, p match.Path) (taken []*ride) {
	spot, at := w.turn(c, now)
	w.driven += w.ground.Leg(c.path.Start, spot).Metres
	old := ordersOf(c.path.Stops)
	c.path.Start, c.path.StartAt, c.path.LeaveAt, c.path.Stops = spot, at, p.LeaveAt, p.Stops
	changed := ordersOf(p.Stops)
	e := entry{vehicle: c.ID, at: at, node: spot.Node, decided: now, event: moved}
	for _, id := range old {
		if r := w.rides[indexOf(id)]; !slices.Contains(changed, id) {
			e.event, e.order = unassigned, r.ID
			w.log.add(e)
			taken = append(taken, r)
			if r.car == c {
				r.car = nil
			}
		}
	}
	for _, id := range changed {
		if r := w.rides[indexOf(id)]; !slices.Contains(old, id) {
			e.event, e.order = assigned, r.ID
			w.log.add(e)
			r.car, r.decided = c, now
			if !r.promised {
				r.promised = true
				w.open++
			}
		}
	}
	if e.event == moved {
		w.log.add(e)
	}
	w.aim(c)
	return taken
}

// ordersOf returns the orders of a plan: each has one dropoff in it.
func ordersOf(stops []match.Stop) (ids []uuid.UUID) {
	for _, s := range stops {
		if s.Kind == trip.Dropoff {
			ids = append(ids, s.Order)
		}
	}
	return ids
}
