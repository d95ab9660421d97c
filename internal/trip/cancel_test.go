package trip

import (
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
	"github.com/spotpool/spotpool/internal/notify"
)

func (w *world) cancel(id, by uuid.UUID) (t Trip, err error) {
	err = w.db.Tx(w.t.Context(), func(tx *db.Tx) (err error) {
		t, err = w.Cancel(tx, id, by)
		return err
	})
	return t, err
}

// calledOff is how it is told that a trip was called off.
const calledOff = "(notify:spread; catch notify:report; then notify:report; finally notify:close)"

// toldOf fails the test unless people were told of an event of a trip so often.
func (w *world) toldOf(e notify.TripEvent, times int) {
	w.t.Helper()
	if len(e.Orders) == 1 && e.Event != notify.Rematching {
		jobstest.AssertDispatchedCount(w.t, w.asked, e.Job(), times)
		return
	}
	w.asked.AssertBegun(w.t, e.Spread(), times)
}

func TestCancel(t *testing.T) {
	for name, operator := range map[string]bool{"by its driver": false, "by an operator": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			order := uuid.New()
			trip := w.assign(w.offered(), Plan{pickup(order, 5, 1, 0), dropoff(order, 20, 1, 60)})
			by := trip.DriverID
			if operator {
				by = uuid.Nil
			}
			if _, err := w.cancel(trip.ID, uuid.New()); !errors.Is(err, ErrNotFound) {
				t.Errorf("by another driver: %v", err)
			}
			w.clock.Advance(time.Minute)
			got, err := w.cancel(trip.ID, by)
			stored := w.get(trip.ID)
			if err != nil || got.Status != Cancelled || stored.Status != Cancelled || len(stored.Plan) != 2 ||
				stored.Version != 3 || got.Version != 3 || !stored.ChangedAt.Equal(at(1)) || !got.ChangedAt.Equal(at(1)) {
				t.Errorf("cancelled %+v, %v; stored %+v", got, err, stored)
			}
			if again, err := w.cancel(trip.ID, uuid.Nil); err != nil || again.Status != Cancelled || again.Version != 3 {
				t.Errorf("a second time, by an operator: %+v, %v", again, err)
			}
			w.toldOf(notify.TripEvent{Trip: trip.ID, Event: notify.Rematching, Orders: []uuid.UUID{order}, Driver: operator}, 1)
			jobstest.AssertStartedCount(t, w.asked, calledOff, 1)
			if again, err := w.cancel(trip.ID, by); err != nil || again.Status != Cancelled || again.Version != 3 {
				t.Errorf("a second time: %+v, %v", again, err)
			}
			if stored.TakesOrders(noon) {
				t.Error("it still takes orders")
			}
			w.tx(func(tx *db.Tx) error { return w.markDeparted(tx, trip.ID) })
			if got := w.get(trip.ID); got.Status != Cancelled {
				t.Errorf("it departed all the same: %s", got.Status)
			}

			w.forget()
			if !w.remove(trip.ID, order) {
				t.Error("nothing was taken off the cancelled trip")
			}
			w.asked.AssertNothingStarted(t)
		})
	}
}

// Until the first pickup a driver may give up, after the departure too.
func TestCancelAfterTheDeparture(t *testing.T) {
	for name, departs := range map[string]func(w *world, t Trip){
		"its job is late": func(*world, Trip) {},
		"by its job":      func(w *world, t Trip) { w.tx(func(tx *db.Tx) error { return w.markDeparted(tx, t.ID) }) },
		"by its driver":   func(w *world, t Trip) { _, _ = w.setOut(t) },
	} {
		w := newWorld(t)
		order := uuid.New()
		trip := w.assign(w.offered(), Plan{pickup(order, 5, 1, 0), dropoff(order, 20, 1, 60)})
		w.clock.Advance(10 * time.Minute)
		departs(w, trip)
		if got, err := w.cancel(trip.ID, trip.DriverID); err != nil || got.Status != Cancelled || w.get(trip.ID).Status != Cancelled {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		w.forget()
		if !w.remove(trip.ID, order) || len(w.get(trip.ID).Plan) != 0 {
			t.Errorf("%s: its order is still on it", name)
		}
		w.asked.AssertNothingStarted(t)
	}
}

func TestCancelOfNoTrip(t *testing.T) {
	w := newWorld(t)
	if _, err := w.cancel(uuid.New(), uuid.Nil); !errors.Is(err, ErrNotFound) {
		t.Errorf("no such trip: %v", err)
	}
}
