package sim

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/geo"
)

const (
	sayWhere   = 10 * time.Second // between two positions of a car
	sayPause   = 2 * time.Second  // at least, by the wall's clock: many cars would flood the server where time runs fast
	boarding   = 20 * time.Second // from the car's arrival until the rider is in it
	notYet     = 10 * time.Second // until what was refused is tried again
	longestFor = 4 * time.Hour    // a driver gives up by then
)

// motorist drives trips. All times are the clock's.
type motorist struct {
	Client // of the driver
	clock  clock.Clock
	every  time.Duration              // between two positions
	quits  time.Time                  // calls the trip off then, unless somebody has got in; zero: never
	stays  func(order uuid.UUID) bool // whether a rider does not come to the pickup; nil: all come
	did    func(act string)           // hears of what was done; nil: nobody wants to know
}

// spacing is the time between two positions of a car that people follow.
func spacing(c clock.Clock) time.Duration { return max(sayWhere, clock.App(c, sayPause)) }

// drive drives a trip from its departure to its end, as planned, and returns it as it
// was seen last. It does not come back before, unless ctx ends, the trip is over another
// way, or all of it takes longer than anybody drives.
func (m motorist) drive(ctx context.Context, t Trip) (Trip, error) {
	t, err := m.setOut(ctx, t)
	if err != nil || t.Status != tripDeparted {
		return t, err
	}
	return m.along(ctx, t)
}

// setOut waits for the departure and departs, or calls the trip off.
func (m motorist) setOut(ctx context.Context, t Trip) (Trip, error) {
	begin := t.DepartAt
	if !m.quits.IsZero() && m.quits.Before(begin) {
		begin = m.quits
	}
	if err := m.until(ctx, begin); err != nil {
		return t, err
	}
	act := "depart"
	if begin != t.DepartAt {
		act = "cancel"
	}
	for late := t.DepartAt.Add(longestFor); ; {
		now, err := m.say(ctx, t, act)
		if err == nil || statusOf(err) == http.StatusConflict || !passing(err) || m.clock.Now().After(late) {
			return now, err
		}
		if err := wait(ctx, m.clock, notYet); err != nil {
			return t, err
		}
	}
}

// along makes the stops of a trip that has departed.
func (m motorist) along(ctx context.Context, t Trip) (_ Trip, err error) {
	late := t.DepartAt.Add(longestFor)
	for here := t.Origin.Point; err == nil && t.Status == tripDeparted && m.clock.Now().Before(late); {
		if stop, ok := t.next(); ok {
			t, err = m.toward(ctx, t, here, stop)
			here = stop.Point
		} else {
			t, err = m.say(ctx, t, "complete")
		}
		for err != nil && passing(err) && m.clock.Now().Before(late) {
			if err = wait(ctx, m.clock, notYet); err != nil {
				return t, err
			}
			var now Trip
			if now, err = m.Trip(ctx, t.ID); err == nil {
				t = now
			}
		}
	}
	return t, err
}

// toward drives to a stop and does what there is to do, or calls the trip off on the way.
func (m *motorist) toward(ctx context.Context, t Trip, from geo.Point, stop Stop) (Trip, error) {
	quit, err := m.approach(ctx, t, from, stop)
	if err != nil {
		return t, err
	}
	if quit {
		if off, err := m.say(ctx, t, "cancel"); err == nil {
			return off, nil
		}
		m.quits = time.Time{} // too late
	}
	return m.serve(ctx, t, stop)
}

// passing reports whether an error may be over in a while: the rider has called off, the
// fare is not held yet, or the server is away.
func passing(err error) bool {
	status := statusOf(err)
	return status == http.StatusConflict || status == 0 || status >= http.StatusInternalServerError
}

// serve does what there is to do at a stop once the car is there.
func (m motorist) serve(ctx context.Context, t Trip, s Stop) (Trip, error) {
	if s.Kind != stopPickup {
		return m.say(ctx, t, s.act("drop-off"))
	}
	if s.State == stopAhead {
		var err error
		if t, err = m.say(ctx, t, s.act("arrive")); err != nil {
			return t, err
		}
		s = t.Plan[s.Number-1]
	}
	if m.stays != nil && m.stays(s.OrderID) {
		if err := m.until(ctx, s.NoShowFrom); err != nil {
			return t, err
		}
		return m.say(ctx, t, s.act("no-show"))
	}
	if err := wait(ctx, m.clock, boarding); err != nil {
		return t, err
	}
	return m.say(ctx, t, s.act("pick-up"))
}

// approach waits until a car is to be at a stop and says where it is meanwhile. It
// reports whether the driver gives up on the way.
func (m motorist) approach(ctx context.Context, t Trip, from geo.Point, stop Stop) (quit bool, err error) {
	began := m.clock.Now()
	way := stop.At.Sub(began)
	for {
		now := m.clock.Now()
		spent := now.Sub(began)
		if spent >= way {
			return false, ctx.Err()
		}
		next := min(m.every, way-spent)
		if !m.quits.IsZero() && !t.begun() {
			if !now.Before(m.quits) {
				return true, ctx.Err()
			}
			next = min(next, m.quits.Sub(now))
		}
		part := float64(spent) / float64(way)
		at := geo.Point{Lat: from.Lat + part*(stop.Lat-from.Lat), Lng: from.Lng + part*(stop.Lng-from.Lng)}
		_ = m.Position(ctx, t.ID, at) // the next one will do
		if err := wait(ctx, m.clock, next); err != nil {
			return false, err
		}
	}
}

// say tells the server of an act.
func (m motorist) say(ctx context.Context, t Trip, act string) (Trip, error) {
	now, err := m.Drive(ctx, t.ID, act)
	if err != nil {
		return t, err
	}
	if m.did != nil {
		m.did(act)
	}
	return now, nil
}

// until waits for a time.
func (m motorist) until(ctx context.Context, at time.Time) error {
	return wait(ctx, m.clock, at.Sub(m.clock.Now()))
}

// next returns the stop whose turn it is.
func (t Trip) next() (Stop, bool) {
	for _, s := range t.Plan {
		if s.State == stopAhead || s.State == stopReached {
			return s, true
		}
	}
	return Stop{}, false
}

// begun reports whether somebody has got in, or did not come.
func (t Trip) begun() bool {
	return slices.ContainsFunc(t.Plan, func(s Stop) bool { return s.State == stopMade || s.State == stopMissed })
}

// act is what is said of the stop.
func (s Stop) act(what string) string { return fmt.Sprintf("stops/%d/%s", s.Number, what) }
