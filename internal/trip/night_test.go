package trip

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
	"github.com/spotpool/spotpool/internal/pay"
)

func TestCloseDayReadsAsASentence(t *testing.T) {
	two := CloseDay("2026-05-03", []uuid.UUID{uuid.New(), uuid.New()})
	if got, want := two.String(), "((pay:statement → notify:statement) | (pay:statement → notify:statement)) → pay:day_report"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	many := CloseDay("2026-05-03", make([]uuid.UUID, 200))
	if got, want := many.String(), "((pay:statement → notify:statement) ×200) → pay:day_report"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// drives writes a trip that departs at a time, with an order on it.
func (w *world) drives(driver uuid.UUID, s Status, depart time.Time) (order uuid.UUID) {
	w.t.Helper()
	order = uuid.New()
	trip := Trip{
		ID: uuid.Must(uuid.NewV7()), DriverID: driver, Status: s, Seats: 4, Origin: place(0), Dest: new(place(30)), DepartAt: depart,
		Plan: Plan{pickup(order, 5, 1, 0), dropoff(order, 20, 1, 60)}, Version: 1, CreatedAt: noon, ChangedAt: noon,
	}.Reschedule(minutes{})
	w.tx(func(tx *db.Tx) error { return insert(tx, trip) })
	return order
}

func TestDriven(t *testing.T) {
	w := newWorld(t)
	driver, other := uuid.New(), uuid.New()
	from, until := clock.DayOf(noon, time.UTC).Span(time.UTC)
	want := []uuid.UUID{
		w.drives(driver, Departed, from), w.drives(driver, Completed, at(60)), w.drives(driver, Open, until.Add(-time.Second)), // its job is late
	}
	w.drives(driver, Departed, from.Add(-time.Second))
	w.drives(driver, Departed, until)
	w.drives(driver, Cancelled, at(60))
	w.drives(other, Departed, at(60))
	w.drives(uuid.New(), Cancelled, at(60))

	trips, orders, err := w.Driven(t.Context(), driver, from, until)
	if err != nil || trips != 3 || len(orders) != 3 {
		t.Fatalf("%d trips with %v, %v", trips, orders, err)
	}
	for _, id := range want {
		if !slices.Contains(orders, id) {
			t.Errorf("order %s is missing", id)
		}
	}
	earner := uuid.New() // of a late cancel, on a trip that was called off
	for _, of := range []uuid.UUID{earner, other} {
		w.tx(func(tx *db.Tx) error {
			return tx.Create(&pay.Settlement{ID: uuid.New(), DriverID: of, Day: clock.DayOf(noon, time.UTC), CreatedAt: noon}).Error
		})
	}
	drivers, err := w.drivers(t.Context(), clock.DayOf(noon, time.UTC))
	if err != nil || len(drivers) != 3 || !slices.Contains(drivers, driver) || !slices.Contains(drivers, other) || !slices.Contains(drivers, earner) {
		t.Errorf("drivers %v, %v", drivers, err)
	}
}

// Through the queue: the day before becomes a flow with all who drove then.
func TestTheDayBeforeIsClosed(t *testing.T) {
	h := jobstest.New(t)
	zone := time.FixedZone("UTC+8", 8*60*60)
	w := &world{t: t, db: h.DB, clock: clock.NewFake(time.Date(2026, 5, 4, 18, 0, 1, 0, time.UTC))} // two o'clock on the 5th
	w.Service = NewService(h.DB, h.Client, w.clock, Config{Travel: minutes{}, Zone: zone})
	w.Register(h.Registry)
	h.Work("low")
	begins := time.Date(2026, 5, 3, 16, 0, 0, 0, time.UTC)

	h.Dispatch(w.Nightly().Job(w.clock.Now()))
	h.Await("a day on which nobody drove", func() bool { return h.Events()["trip:close_day skipped"] == 1 })
	w.clock.Advance(24 * time.Hour) // its slot says which day it is about, however late it runs
	for i := range 3 {
		w.drives(uuid.New(), Departed, begins.Add(time.Duration(i)*time.Hour))
	}
	w.drives(uuid.New(), Departed, begins.Add(-time.Second))
	w.drives(uuid.New(), Departed, begins.Add(24*time.Hour))
	h.Dispatch(w.Nightly().Job(w.clock.Now().Add(-24 * time.Hour)))
	h.Await("the day to be closed", func() bool { return h.Events()["trip:close_day done"] == 1 })
	flow := h.Flow(dayID("2026-05-04"))
	if want := CloseDay("2026-05-04", make([]uuid.UUID, 3)).String(); flow.Text != want || len(flow.Stages[0].Flows) != 3 {
		t.Errorf("flow %q with %d members", flow.Text, len(flow.Stages[0].Flows))
	}
	var lenient []bool // what fails for one driver keeps nothing from the others
	if err := h.DB.Read(t.Context()).Raw("SELECT allow_failures FROM job_batches").Scan(&lenient).Error; err != nil || !slices.Equal(lenient, []bool{true}) {
		t.Errorf("batches that allow failures: %v, %v", lenient, err)
	}
	var args []string
	err := h.DB.Read(t.Context()).Raw("SELECT args FROM jobs WHERE kind IN ('pay:statement', 'notify:statement')").Scan(&args).Error
	if err != nil || len(args) != 6 {
		t.Fatalf("%v, %v", args, err)
	}
	for _, a := range args {
		var driver, day string
		if _, err := fmt.Sscanf(a, `{"driver_id":"%36s","day":"%10s"}`, &driver, &day); err != nil || day != "2026-05-04" {
			t.Errorf("arguments %s: %v", a, err)
		}
	}
}

func TestNightly(t *testing.T) {
	w := newWorld(t)
	for hours, want := range map[int]time.Duration{8: -6 * time.Hour, 0: 2 * time.Hour, -5: 7 * time.Hour} {
		w.cfg.Zone = time.FixedZone("", hours*60*60)
		p := w.Nightly()
		if p.Every != 24*time.Hour || p.Offset != want || p.Job(noon).Kind() != "trip:close_day" {
			t.Errorf("UTC%+d: every %s from %s on, %s", hours, p.Every, p.Offset, p.Job(noon).Kind())
		}
	}
}
