package match

import (
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
	"github.com/spotpool/spotpool/internal/trip"
)

func TestJobs(t *testing.T) {
	id := uuid.MustParse("01920000-0000-7000-8000-000000000001")
	for _, c := range []struct {
		job  jobs.Job
		kind string
		args string
	}{
		{FindTrip(id), "match:find_trip", `{"order_id":"01920000-0000-7000-8000-000000000001"}`},
		{WakeWaiting(id), "match:wake_waiting", `{"trip_id":"01920000-0000-7000-8000-000000000001"}`},
	} {
		if c.job.Kind() != c.kind || string(c.job.Args()) != c.args {
			t.Errorf("%s %s, want %s %s", c.job.Kind(), c.job.Args(), c.kind, c.args)
		}
	}
}

// Through the queue: an order waits for a trip, a new trip wakes it, and one
// whose time is up fails with the cause no_trip.
func TestAnOrderWaitsForATrip(t *testing.T) {
	h, now := jobstest.New(t), clock.System{}
	w := &world{t: t, db: h.DB}
	w.trips = trip.NewService(h.DB, h.Client, now, trip.Config{Travel: minutes{}, DefaultDetour: trip.DefaultDetour})
	w.book = newBook(w, now.Now().Add(time.Hour))
	log := slog.New(slog.DiscardHandler)
	NewService(NewBoard(w.trips, minutes{}, now, log), w.trips, w.book, h.Client, now, log).Register(h.Registry)
	h.Work("match")

	req := ask(5, 25, 1, 0, 0)
	req.Earliest, req.Latest = now.Now(), now.Now().Add(2*time.Hour)
	order := w.book.add(req)
	w.tx(func(tx *db.Tx) error {
		_, err := h.Client.Start(tx, jobs.Subject{Kind: "order", ID: order}, jobs.Chain(FindTrip(order)))
		return err
	})
	h.Await("the order waits", func() bool { return h.Events()["match:find_trip released"] > 0 })

	var offered trip.Trip
	w.tx(func(tx *db.Tx) (err error) {
		offered, err = w.trips.Offer(tx, trip.Offer{
			DriverID: uuid.New(), Origin: mark(0), Dest: mark(30), DepartAt: now.Now().Add(time.Hour), Seats: 4,
		})
		if err != nil {
			return err
		}
		return h.Client.Dispatch(tx, WakeWaiting(offered.ID))
	})
	h.AwaitFlow(order, "done")
	if got := w.stored(offered.ID); !slices.Equal(got.Plan.Orders(), []uuid.UUID{order}) {
		t.Errorf("stored %+v", got)
	}

	w.book.mu.Lock()
	w.book.until = now.Now()
	w.book.mu.Unlock()
	hopeless := w.book.add(ask(25, 5, 1, 0, 0))
	w.tx(func(tx *db.Tx) error {
		_, err := h.Client.Start(tx, jobs.Subject{Kind: "order", ID: hopeless}, jobs.Chain(FindTrip(hopeless)))
		return err
	})
	if v := h.AwaitFlow(hopeless, "failed"); v.Cause != "no_trip" {
		t.Errorf("cause %q, want no_trip", v.Cause)
	}
}
