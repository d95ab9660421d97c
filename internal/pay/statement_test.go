package pay

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/fault"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
)

const aDay clock.Day = "2026-05-03"

func TestAStatementIsWrittenOnce(t *testing.T) {
	e := startEngine(t, Sandbox{})
	driver := uuid.Must(uuid.NewV7())
	held, voided, none := open(t, e.Service, 1000), open(t, e.Service, 300), open(t, e.Service, 70)
	second := open(t, e.Service, 234)
	for _, order := range []uuid.UUID{held, voided, second} {
		e.run(jobs.Chain(Hold(order)))
	}
	e.run(jobs.Chain(Void(voided)))
	e.rides.trips, e.rides.orders = 2, []uuid.UUID{held, voided, none, second}

	if _, err := e.Statement(t.Context(), driver, aDay); !errors.Is(err, ErrNoStatement) {
		t.Errorf("before: %v", err)
	}
	if how := e.run(jobs.Chain(MakeStatement(driver, aDay))); how != "done" {
		t.Fatalf("ended %q", how)
	}
	first, err := e.Statement(t.Context(), driver, aDay)
	if err != nil || first.Trips != 2 || first.Rides != 2 || first.Total != 1234 {
		t.Errorf("statement %+v, %v", first, err)
	}
	if rides, total, share, err := e.Figures(t.Context(), driver, aDay); rides != 2 || total != 1234 || share != 0 || err != nil {
		t.Errorf("figures %d, %s, %s, %v", rides, total, share, err)
	}
	if want := []string{"2026-05-03T00:00:00Z 2026-05-04T00:00:00Z"}; !slices.Equal(e.rides.spans, want) {
		t.Errorf("asked for %v, want %v", e.rides.spans, want)
	}

	e.rides.trips = 7 // what is written stays
	e.run(jobs.Chain(MakeStatement(driver, aDay)))
	late := Statement{DriverID: driver, Day: aDay, Trips: 7, CreatedAt: first.CreatedAt}
	inTx(t, e.db, func(tx *db.Tx) error { return insertStatement(tx, &late) })
	if again, err := e.Statement(t.Context(), driver, aDay); again != first || err != nil {
		t.Errorf("a second time: %+v, %v", again, err)
	}
	if how := e.run(jobs.Chain(DayReport(aDay))); how != "done" {
		t.Errorf("report ended %q", how)
	}
	if !e.said.has("day=2026-05-03 drivers=1 trips=2 rides=2 total=\"12.34 CNY\"") {
		t.Errorf("the report says %q", e.said.text.String())
	}
}

func TestNoStatementWithoutATrip(t *testing.T) {
	e := startEngine(t, Sandbox{})
	driver := uuid.Must(uuid.NewV7())
	if how := e.run(jobs.Chain(MakeStatement(driver, aDay))); how != "done" {
		t.Errorf("ended %q", how)
	}
	if _, err := e.Statement(t.Context(), driver, aDay); !errors.Is(err, ErrNoStatement) {
		t.Errorf("after a day without a trip: %v", err)
	}
}

// Of one driver's days, one is worked on at a time; another driver's need not wait.
func TestADriversBooksAreWorkedOnByOne(t *testing.T) {
	e := startEngine(t, Sandbox{})
	driver, other := uuid.Must(uuid.NewV7()), uuid.Must(uuid.NewV7())
	begun, goOn := make(chan struct{}, 10), make(chan struct{})
	end := sync.OnceFunc(func() { close(goOn) })
	t.Cleanup(end)
	e.rides.trips, e.rides.asked = 1, func() {
		begun <- struct{}{}
		<-goOn
	}
	await := func(what string) {
		t.Helper()
		select {
		case <-begun:
		case <-time.After(jobstest.Deadline):
			t.Fatal(what)
		}
	}
	e.queue.Dispatch(MakeStatement(driver, aDay))
	await("the first has not begun")
	e.queue.Dispatch(MakeStatement(driver, aDay.Before()))
	e.queue.Await("the driver's other day to wait", func() bool { return e.queue.Events()["pay:statement released"] > 0 })
	e.queue.Dispatch(MakeStatement(other, aDay))
	await("the other driver has to wait")
	end()
	e.queue.Await("all three", func() bool { return e.queue.Events()["pay:statement done"] == 3 })
	if n := e.queue.Events()["pay:statement retried"]; n > 0 {
		t.Errorf("%d attempts failed", n)
	}
}

// A statement that is asked for again while it waits is one job.
func TestAStatementIsAskedForOnce(t *testing.T) {
	h := jobstest.New(t)
	driver := uuid.Must(uuid.NewV7())
	h.Dispatch(MakeStatement(driver, aDay))
	h.Dispatch(MakeStatement(driver, aDay), MakeStatement(driver, aDay.Before()), MakeStatement(uuid.New(), aDay))
	jobstest.AssertKindCount(t, h, "pay:statement", 3)
}

func TestDayOver(t *testing.T) {
	s := newService(t) // at 08:00 UTC on 4 May
	s.zone = time.FixedZone("UTC+16", 16*60*60)
	for text, code := range map[string]string{
		"2026-05-03": "internal", "2026-05-04": "internal", "2026-05-05": "day_not_over", "2027-01-01": "day_not_over", "yesterday": "day_invalid", "": "day_invalid",
	} {
		if day, err := s.DayOver(text); fault.CodeOf(err) != code || err == nil && day != clock.Day(text) {
			t.Errorf("%q: %s, %v, want %s", text, day, err, code)
		}
	}
}
