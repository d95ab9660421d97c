package match

import (
	"context"
	"errors"
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
		{FindTrip(id, noon), "match:find_trip", `{"order_id":"01920000-0000-7000-8000-000000000001"}`},
		{WakeWaiting(id), "match:wake_waiting", `{"trip_id":"01920000-0000-7000-8000-000000000001"}`},
	} {
		if c.job.Kind() != c.kind || string(c.job.Args()) != c.args {
			t.Errorf("%s %s, want %s %s", c.job.Kind(), c.job.Args(), c.kind, c.args)
		}
	}
}

// Through the queue: an order waits for a trip, a new trip wakes it, and one
// whose time is up fails.
func TestAnOrderWaitsForATrip(t *testing.T) {
	h, now := jobstest.New(t), clock.System{}
	w := &world{t: t, db: h.DB}
	w.trips = trip.NewService(h.DB, h.Client, now, trip.Config{Travel: minutes{}, DefaultDetour: trip.DefaultDetour})
	w.book = newBook(w)
	log := slog.New(slog.DiscardHandler)
	NewService(Deps{
		Board: NewBoard(w.trips, minutes{}, now, log), Trips: w.trips, Orders: w.book, Queue: h.Client, Clock: now, Log: log,
	}).Register(h.Registry)
	h.Work("match")

	req := ask(5, 25, 1, 0, 0)
	req.Earliest, req.Latest = now.Now(), now.Now().Add(2*time.Hour)
	order := w.book.add(req)
	w.tx(func(tx *db.Tx) error {
		_, err := h.Client.Start(tx, jobs.Subject{Kind: "order", ID: order}, jobs.Chain(FindTrip(order, now.Now().Add(time.Hour))))
		return err
	})
	h.Await("the order waits", func() bool { return h.Events()["match:find_trip released"] > 0 })

	var offered trip.Trip
	w.tx(func(tx *db.Tx) (err error) {
		offered, err = w.trips.Offer(tx, trip.Offer{
			DriverID: uuid.New(), Origin: mark(0), Dest: new(mark(30)), DepartAt: now.Now().Add(time.Hour), Seats: 4,
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

	hopeless := w.book.add(ask(25, 5, 1, 0, 0))
	w.tx(func(tx *db.Tx) error {
		_, err := h.Client.Start(tx, jobs.Subject{Kind: "order", ID: hopeless}, jobs.Chain(FindTrip(hopeless, now.Now().Add(300*time.Millisecond))))
		return err
	})
	if v := h.AwaitFlow(hopeless, "failed"); v.Cause != jobs.ErrDeadline.Code {
		t.Errorf("cause %q, want %s", v.Cause, jobs.ErrDeadline.Code)
	}
}

// Errors use up what the kind allows long before the order's time is up.
func TestASearchThatFailsIsGivenUp(t *testing.T) {
	h, now, quiet := jobstest.New(t), clock.System{}, slog.New(slog.DiscardHandler)
	NewService(Deps{
		Board: NewBoard(nil, minutes{}, now, quiet), Orders: deaf{}, Queue: h.Client, Clock: now, Log: quiet,
	}).Register(h.Registry)
	h.Work("match")
	order := h.Start(jobs.Chain(FindTrip(uuid.New(), now.Now().Add(time.Hour))))
	for n := 1; n <= findTripKind.MaxExceptions; n++ {
		h.Await("another attempt to fail", func() bool { return h.Events()["match:find_trip retried"] >= min(n, findTripKind.MaxExceptions-1) })
		if _, err := h.Client.Wake(t.Context(), order); err != nil {
			t.Fatal(err)
		}
	}
	v := h.AwaitFlow(order, "failed")
	if job := v.Stages[0].Jobs[0]; job.Attempts != findTripKind.MaxExceptions || v.Cause != "failed" {
		t.Errorf("cause %q after %d attempts", v.Cause, job.Attempts)
	}
}

// deaf are orders that nobody can read.
type deaf struct{ Orders }

func (deaf) Request(context.Context, uuid.UUID) (Request, bool, error) {
	return Request{}, false, errors.New("the database is down")
}

// While the look at a trip has not begun, one is enough; from then on another is due.
func TestATripIsLookedAtOnce(t *testing.T) {
	h := jobstest.New(t)
	id := uuid.New()
	h.Dispatch(WakeWaiting(id), WakeWaiting(id), WakeWaiting(uuid.New()))
	h.Dispatch(WakeWaiting(id))
	var n int
	if err := h.DB.Read(t.Context()).Raw("SELECT COUNT(*) FROM jobs").Scan(&n).Error; err != nil || n != 2 {
		t.Errorf("%d jobs, %v; want 2", n, err)
	}
}

func TestTags(t *testing.T) {
	id := uuid.New()
	sameTags(t, findTripKind.Tags(findTripArgs{id}), "order:"+id.String())
	sameTags(t, wakeWaitingKind.Tags(wakeWaitingArgs{id}), "trip:"+id.String())
}

func sameTags(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("tags %v, want %v", got, want)
	}
}
