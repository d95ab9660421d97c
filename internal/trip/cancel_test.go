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
			told := 0
			if operator {
				told = 1
			}
			if again, err := w.cancel(trip.ID, uuid.Nil); err != nil || again.Status != Cancelled || again.Version != 3 {
				t.Errorf("a second time, by an operator: %+v, %v", again, err)
			}
			jobstest.AssertDispatchedCount(t, w.asked, notify.CancelledTrip(trip.ID), told)
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

func TestCancelTooLate(t *testing.T) {
	w := newWorld(t)
	trip := w.offered()
	if _, err := w.cancel(uuid.New(), uuid.Nil); !errors.Is(err, ErrNotFound) {
		t.Errorf("no such trip: %v", err)
	}
	w.clock.Advance(10 * time.Minute)
	for _, departed := range []bool{false, true} { // the job that marks it may be late
		if departed {
			w.tx(func(tx *db.Tx) error { return w.markDeparted(tx, trip.ID) })
		}
		if _, err := w.cancel(trip.ID, trip.DriverID); !errors.Is(err, ErrNotCancellable) {
			t.Errorf("at its departure, marked %v: %v", departed, err)
		}
	}
	if got := w.get(trip.ID); got.Status != Departed {
		t.Errorf("it is %s", got.Status)
	}
}
