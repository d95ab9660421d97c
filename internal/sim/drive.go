package sim

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/geo"
)

const (
	sayWhere   = 10 * time.Second // between two positions of a car
	sayPause   = 2 * time.Second  // at least, by the wall's clock: many cars would flood the server where time runs fast
	longestFor = 4 * time.Hour    // a driver gives up by then
)

// drive drives a trip from its departure to its end, as planned. It does not come back
// before, unless ctx ends or the trip is over another way.
func (t *town) drive(ctx context.Context, driver Client, trip Trip) {
	ctx, cancel := context.WithTimeout(ctx, clock.Wall(t.Clock, trip.DepartAt.Sub(t.Clock.Now())+longestFor))
	defer cancel()
	if t.wait(ctx, trip.DepartAt.Sub(t.Clock.Now())) != nil {
		return
	}
	here := trip.Origin.Point
	now, err := driver.Drive(ctx, trip.ID, "depart")
	for err == nil && now.Status == tripDeparted {
		stop, ok := now.next()
		if !ok {
			now, err = driver.Drive(ctx, trip.ID, "complete")
			continue
		}
		if t.approach(ctx, driver, trip.ID, here, stop) != nil {
			return
		}
		here = stop.Point
		now, err = driver.Drive(ctx, trip.ID, stop.act())
		if statusOf(err) == http.StatusConflict { // the rider has called off, or the fare is not held yet
			if t.wait(ctx, sayWhere) != nil {
				return
			}
			now, err = driver.Trip(ctx, trip.ID)
		}
	}
	t.told(ctx, "drive", err)
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

// act is what is done at the stop.
func (s Stop) act() string {
	if s.Kind == stopPickup {
		return fmt.Sprintf("stops/%d/pick-up", s.Number)
	}
	return fmt.Sprintf("stops/%d/drop-off", s.Number)
}

// approach waits until a car is to be at a stop and says where it is meanwhile.
func (t *town) approach(ctx context.Context, driver Client, id uuid.UUID, from geo.Point, stop Stop) error {
	began := t.Clock.Now()
	way := stop.At.Sub(began)
	for {
		spent := t.Clock.Now().Sub(began)
		if spent >= way {
			return ctx.Err()
		}
		part := float64(spent) / float64(way)
		at := geo.Point{Lat: from.Lat + part*(stop.Lat-from.Lat), Lng: from.Lng + part*(stop.Lng-from.Lng)}
		_ = driver.Position(ctx, id, at) // the next one will do
		if err := t.wait(ctx, min(max(sayWhere, clock.App(t.Clock, sayPause)), way-spent)); err != nil {
			return err
		}
	}
}
