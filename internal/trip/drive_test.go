package trip

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/fault"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
	"github.com/spotpool/spotpool/internal/notify"
)

// settleKind is what deals with trips that are over.
var settleKind = jobs.Kind[tripArgs]{
	Name: "test:settle", Queue: "low", Tries: 1, Backoff: jobs.Fixed(time.Second), Timeout: time.Second,
}

func settleTrip(id uuid.UUID) jobs.Job { return settleKind.New(tripArgs{id}) }

func (w *world) act(t Trip, n int, a Act) (now Trip, again bool, err error) {
	w.t.Helper()
	err = w.db.Tx(w.t.Context(), func(tx *db.Tx) (err error) {
		now, again, err = w.Act(tx, t.ID, t.DriverID, n, a)
		return err
	})
	return now, again, err
}

// acts is an act that must be accepted.
func (w *world) acts(t Trip, n int, a Act) Trip {
	w.t.Helper()
	now, again, err := w.act(t, n, a)
	if err != nil || again {
		w.t.Fatalf("%s at stop %d: again %v, %v", a, n, again, err)
	}
	return now
}

func (w *world) setOut(t Trip) (now Trip, err error) {
	err = w.db.Tx(w.t.Context(), func(tx *db.Tx) (err error) {
		now, err = w.SetOut(tx, t.ID, t.DriverID)
		return err
	})
	return now, err
}

func (w *world) complete(t Trip) (now Trip, err error) {
	err = w.db.Tx(w.t.Context(), func(tx *db.Tx) (err error) {
		now, err = w.Complete(tx, t.ID, t.DriverID)
		return err
	})
	return now, err
}

func (w *world) setSeats(t Trip, version, seats int) (now Trip, err error) {
	err = w.db.Tx(w.t.Context(), func(tx *db.Tx) (err error) {
		now, err = w.SetSeats(tx, t.ID, t.DriverID, version, seats)
		return err
	})
	return now, err
}

// toldCount fails the test unless so many riders by themselves, and so many groups, were
// told of an event.
func (w *world) toldCount(riders, groups int) {
	w.t.Helper()
	jobstest.AssertKindCount(w.t, w.asked, "notify:spread", riders)
	jobstest.AssertStartedCount(w.t, w.asked, "(notify:spread; catch notify:report; finally notify:close)", groups)
}

// times returns when the stops of a trip are, in minutes after noon.
func times(t Trip) (minutes []int) {
	for _, s := range t.Plan {
		minutes = append(minutes, int(s.At.Sub(noon)/time.Minute))
	}
	return minutes
}

// wantTimes fails the test unless the trip as stored has its stops, and arrives, at these minutes.
func (w *world) wantTimes(what string, t Trip, arrive int, stops ...int) {
	w.t.Helper()
	stored := w.get(t.ID)
	if !slices.Equal(times(t), stops) || !slices.Equal(times(stored), stops) || !stored.ArriveAt.Equal(at(arrive)) || t.Version != stored.Version {
		w.t.Errorf("%s: stops at %v, stored %v, arrives %v; want %v and %d", what, times(t), times(stored), stored.ArriveAt, stops, arrive)
	}
}

// A trip from its departure, before its time, to the last drop-off.
func TestATripIsDriven(t *testing.T) {
	w := newWorld(t)
	a, b := uuid.New(), uuid.New()
	trip := w.assign(w.offered(), Plan{pickup(a, 5, 2, 14), pickup(b, 10, 1, 0), dropoff(a, 20, 2, 60), dropoff(b, 25, 1, 60)})
	w.forget()

	w.clock.Advance(4 * time.Minute)
	trip, err := w.setOut(trip)
	if err != nil || trip.Status != Departed || !trip.DepartAt.Equal(at(4)) || trip.SeatsLeft != 1 {
		t.Fatalf("set out: %+v, %v", trip, err)
	}
	// a may not be fetched before 12:14, which the driver waits for; and nobody is told of less than six minutes.
	w.wantTimes("after setting out", trip, 39, 14, 19, 29, 34)
	both := []uuid.UUID{a, b}
	w.toldOf(notify.TripEvent{Trip: trip.ID, Event: notify.Departed, Orders: both}, 1)
	w.toldCount(0, 1)
	if again, err := w.setOut(trip); err != nil || again.Version != trip.Version {
		t.Errorf("set out again: %+v, %v", again, err)
	}

	w.clock.Advance(13 * time.Minute) // 12:17
	trip = w.acts(trip, 1, Arrive)
	w.wantTimes("two minutes late", trip, 42, 17, 22, 32, 37)
	w.clock.Advance(time.Minute)
	trip = w.acts(trip, 1, PickUp)
	if s := trip.Plan[0]; s.State != Made || !s.Reached.Equal(at(17)) || !s.At.Equal(at(18)) {
		t.Errorf("picked up: %+v", s)
	}
	w.toldCount(0, 1)

	w.clock.Advance(10 * time.Minute) // 12:28, six minutes late
	trip = w.acts(trip, 2, PickUp)
	w.wantTimes("late", trip, 48, 18, 28, 38, 43)
	w.toldOf(notify.TripEvent{Trip: trip.ID, Event: notify.Late, Orders: both, Number: trip.Version}, 1)
	w.clock.Advance(11 * time.Minute) // 12:39, one minute later than told
	trip = w.acts(trip, 3, DropOff)
	jobstest.AssertKindCount(t, w.asked, settleKind.Name, 0)
	w.clock.Advance(4 * time.Minute)
	trip = w.acts(trip, 4, DropOff)
	if trip.Status != Completed || !trip.ArriveAt.Equal(at(43)) || w.get(trip.ID).Status != Completed {
		t.Errorf("completed: %+v", trip)
	}
	jobstest.AssertDispatchedCount(t, w.asked, settleTrip(trip.ID), 1)
	w.toldOf(notify.TripEvent{Trip: trip.ID, Event: notify.Completed, Orders: both}, 1)
	w.toldCount(0, 3)
	if !trip.Plan.Shared(a) || !trip.Plan.Shared(b) {
		t.Error("they did not share")
	}

	for n, act := range []Act{Arrive, PickUp, DropOff, DropOff} {
		if now, again, err := w.act(trip, n+1, act); err != nil || !again || now.Version != trip.Version {
			t.Errorf("%s at stop %d, repeated: again %v, version %d, %v", act, n+1, again, now.Version, err)
		}
	}
	if now, err := w.complete(trip); err != nil || now.Version != trip.Version {
		t.Errorf("completed again: %+v, %v", now, err)
	}
	jobstest.AssertDispatchedCount(t, w.asked, settleTrip(trip.ID), 1)
	for _, rule := range []string{"Oversold", "PlanOrder"} {
		found, err := map[string]func() ([]string, error){
			"Oversold":  func() ([]string, error) { return w.Oversold(t.Context()) },
			"PlanOrder": func() ([]string, error) { return w.PlanOrder(t.Context()) },
		}[rule]()
		if err != nil || found != nil {
			t.Errorf("audit: %s finds %q, %v", rule, found, err)
		}
	}
}

// Nobody came: the driver says so, and ends the trip.
func TestATripWithoutRiders(t *testing.T) {
	w := newWorld(t)
	a := uuid.New()
	trip := w.assign(w.offered(), Plan{pickup(a, 5, 2, 0), dropoff(a, 20, 2, 60)})
	if _, err := w.complete(trip); !errors.Is(err, ErrNotUnderWay) {
		t.Errorf("completed before the departure: %v", err)
	}
	w.clock.Advance(10 * time.Minute)
	trip, _ = w.setOut(trip)
	w.clock.Advance(5 * time.Minute)
	trip = w.acts(trip, 1, Arrive)
	if _, _, err := w.act(trip, 1, NoShow); !errors.Is(err, ErrNoShowTooEarly) {
		t.Errorf("at once: %v", err)
	}
	if _, err := w.complete(trip); !errors.Is(err, ErrStopsLeft) {
		t.Errorf("completed with a stop ahead: %v", err)
	}
	w.clock.Advance(DefaultNoShowWait)
	trip = w.acts(trip, 1, NoShow)
	if trip.Status != Departed || trip.SeatsLeft != 4 || trip.Plan[1].State != Dropped || !trip.ArriveAt.Equal(at(43)) {
		t.Errorf("left behind: %+v", trip)
	}
	if _, err := w.cancel(trip.ID, trip.DriverID); !errors.Is(err, ErrNotCancellable) {
		t.Errorf("called off after that: %v", err)
	}
	trip, err := w.complete(trip)
	if err != nil || trip.Status != Completed || !trip.ArriveAt.Equal(at(18)) {
		t.Errorf("completed: %+v, %v", trip, err)
	}
	jobstest.AssertDispatchedCount(t, w.asked, settleTrip(trip.ID), 1)
}

func TestActsThatAreRefused(t *testing.T) {
	w := newWorld(t)
	a := uuid.New()
	trip := w.assign(w.offered(), Plan{pickup(a, 5, 1, 0), dropoff(a, 20, 1, 60)})
	refused := func(what string, n int, act Act, code string) {
		t.Helper()
		if _, _, err := w.act(trip, n, act); fault.CodeOf(err) != code {
			t.Errorf("%s: %v, want %s", what, err, code)
		}
		if now := w.get(trip.ID); now.Version != trip.Version {
			t.Errorf("%s: it has changed to %+v", what, now)
		}
	}
	refused("not departed", 1, Arrive, "trip_not_under_way")
	refused("no stop", 0, Arrive, "stop_not_found")
	refused("no stop there", 3, Arrive, "stop_not_found")
	trip, _ = w.setOut(trip)
	refused("not its turn", 2, DropOff, "stop_not_next")
	refused("not here", 1, DropOff, "stop_of_other_kind")
	refused("not arrived", 1, NoShow, "no_show_too_early")
	stranger := trip
	stranger.DriverID = uuid.New()
	for what, err := range map[string]error{
		"act":      func() error { _, _, err := w.act(stranger, 1, PickUp); return err }(),
		"set out":  func() error { _, err := w.setOut(stranger); return err }(),
		"complete": func() error { _, err := w.complete(stranger); return err }(),
		"seats":    func() error { _, err := w.setSeats(stranger, 0, 5); return err }(),
		"seen":     func() error { _, err := w.Seen(t.Context(), trip.ID, stranger.DriverID, place(1).Point); return err }(),
	} {
		if !errors.Is(err, ErrNotFound) {
			t.Errorf("%s by another driver: %v", what, err)
		}
	}
	trip = w.acts(trip, 1, PickUp)
	refused("in the car", 1, NoShow, "stop_over")
	if _, err := w.cancel(trip.ID, trip.DriverID); !errors.Is(err, ErrNotCancellable) {
		t.Errorf("called off with a rider aboard: %v", err)
	}
}

// An order that is called off after the departure leaves its stops where they are, so
// that the others keep their numbers.
func TestAnOrderLeavesADepartedTrip(t *testing.T) {
	w := newWorld(t)
	a, b := uuid.New(), uuid.New()
	trip := w.assign(w.offered(), Plan{pickup(a, -10, 2, 0), dropoff(a, -12, 2, 60), pickup(b, 10, 1, 0), dropoff(b, 25, 1, 60)})
	w.clock.Advance(10 * time.Minute)
	trip, _ = w.setOut(trip)
	w.forget()
	if !w.remove(trip.ID, a) || w.remove(trip.ID, a) {
		t.Error("the order leaves once")
	}
	jobstest.AssertDispatchedCount(t, w.asked, RefreshPlan(trip.ID), 1)
	w.tx(func(tx *db.Tx) error { return w.retime(tx, w.get(trip.ID)) })
	now := w.get(trip.ID)
	if now.Plan[0].State != Dropped || now.Plan[1].State != Dropped || !slices.Equal(now.Plan.Orders(), []uuid.UUID{b}) || now.SeatsLeft != 3 {
		t.Errorf("left %+v", now)
	}
	if got := times(now)[2:]; !slices.Equal(got, []int{20, 35}) {
		t.Errorf("b at %v", got)
	}
	w.toldOf(notify.TripEvent{Trip: trip.ID, Event: notify.Late, Orders: []uuid.UUID{b}, Number: now.Version}, 1) // 24 minutes earlier
	now = w.acts(now, 3, PickUp)
	if w.remove(trip.ID, b) || w.get(trip.ID).Version != now.Version {
		t.Error("who is in the car was taken off")
	}
	if found, err := w.PlanOrder(t.Context()); err != nil || found != nil {
		t.Errorf("audit: %q, %v", found, err)
	}
}

func TestSetSeats(t *testing.T) {
	w := newWorld(t)
	a := uuid.New()
	trip := w.assign(w.offered(), Plan{pickup(a, 5, 2, 0), dropoff(a, 20, 2, 60)})
	w.forget()
	for _, c := range []struct {
		name           string
		version, seats int
		code           string
	}{
		{"an old version", 1, 3, "trip_changed"},
		{"no version of it", -1, 3, "trip_changed"},
		{"none", 2, 0, "seats_out_of_range"},
		{"too many", 2, 9, "seats_out_of_range"},
		{"fewer than taken", 2, 1, "seats_taken"},
	} {
		if _, err := w.setSeats(trip, c.version, c.seats); fault.CodeOf(err) != c.code {
			t.Errorf("%s: %v, want %s", c.name, err, c.code)
		}
	}
	same, err := w.setSeats(trip, 0, 4)
	if err != nil || same.Version != 2 {
		t.Errorf("as many: %+v, %v", same, err)
	}
	fewer, err := w.setSeats(trip, 2, 2)
	if stored := w.get(trip.ID); err != nil || fewer.Seats != 2 || stored.Seats != 2 || stored.SeatsLeft != 0 || stored.Version != 3 {
		t.Errorf("fewer: %+v, %v", stored, err)
	}
	w.asked.AssertNothingStarted(t)
	more, err := w.setSeats(trip, 3, 6)
	if stored := w.get(trip.ID); err != nil || more.SeatsLeft != 4 || stored.SeatsLeft != 4 || stored.Version != 4 {
		t.Errorf("more: %+v, %v", stored, err)
	}
	jobstest.AssertDispatchedCount(t, w.asked, offerSeats(trip.ID), 1)
	w.clock.Advance(10 * time.Minute)
	if _, err := w.setSeats(trip, 4, 7); !errors.Is(err, ErrNotOpen) {
		t.Errorf("at the departure: %v", err)
	}
}

// A position moves the times of the stops ahead where it is worth a write, and riders
// are told of more than five minutes, once.
func TestSeen(t *testing.T) {
	w := newWorld(t)
	a := uuid.New()
	trip := w.assign(w.offered(), Plan{pickup(a, 15, 1, 0), dropoff(a, 20, 1, 60)})
	seen := func(lat float64) Trip {
		t.Helper()
		now, err := w.Seen(t.Context(), trip.ID, trip.DriverID, place(lat).Point)
		if err != nil {
			t.Fatal(err)
		}
		return now
	}
	if _, err := w.Seen(t.Context(), trip.ID, trip.DriverID, place(1).Point); !errors.Is(err, ErrNotUnderWay) {
		t.Errorf("before the departure: %v", err)
	}
	w.clock.Advance(10 * time.Minute)
	trip, _ = w.setOut(trip)
	w.forget()
	for _, c := range []struct {
		name            string
		minute, version int
		lat             float64
		told            int
		times           []int
	}{
		{"as expected", 13, 3, 3, 0, []int{25, 30}},
		{"a minute late", 14, 3, 3, 0, []int{25, 30}},
		{"three minutes late", 16, 4, 3, 0, []int{28, 33}},
		{"six minutes late", 19, 5, 3, 1, []int{31, 36}},
		{"eight minutes late", 22, 6, 4, 1, []int{33, 38}},
		{"fourteen minutes late", 28, 7, 4, 2, []int{39, 44}},
	} {
		w.clock.Advance(at(c.minute).Sub(w.clock.Now()))
		now := seen(c.lat)
		if now.Version != c.version || !slices.Equal(times(now), c.times) || !slices.Equal(times(w.get(trip.ID)), c.times) {
			t.Errorf("%s: version %d, stops at %v", c.name, now.Version, times(now))
		}
		w.toldCount(c.told, 0)
	}
	for _, version := range []int{5, 7} {
		w.toldOf(notify.TripEvent{Trip: trip.ID, Event: notify.Late, Orders: []uuid.UUID{a}, Number: version}, 1)
	}
}

// Whoever is fetched next is told, once, that the vehicle is three minutes away: by a
// position that moves no times as much as by an act.
func TestARiderIsToldThatTheVehicleIsNear(t *testing.T) {
	w := newWorld(t)
	a, b := uuid.New(), uuid.New()
	trip := w.assign(w.offered(), Plan{pickup(a, 15, 1, 0), pickup(b, 17, 1, 0), dropoff(a, 20, 1, 60), dropoff(b, 25, 1, 60)})
	w.clock.Advance(10 * time.Minute)
	trip, _ = w.setOut(trip)
	w.forget()
	near := func(order uuid.UUID) notify.TripEvent {
		return notify.TripEvent{Trip: trip.ID, Event: notify.Near, Orders: []uuid.UUID{order}}
	}
	for _, c := range []struct {
		minute int
		lat    float64
		told   int
	}{{21, 11, 0}, {22, 12, 1}, {23, 13, 1}, {24, 14, 1}} {
		w.clock.Advance(at(c.minute).Sub(w.clock.Now()))
		if _, err := w.Seen(t.Context(), trip.ID, trip.DriverID, place(c.lat).Point); err != nil {
			t.Fatal(err)
		}
		w.toldOf(near(a), c.told)
		w.toldCount(c.told, 0)
	}
	w.clock.Advance(time.Minute)
	w.acts(w.get(trip.ID), 1, Arrive)
	w.toldOf(near(b), 0) // who stands at the kerb comes first
	w.acts(w.get(trip.ID), 1, PickUp)
	w.toldOf(near(b), 1)
	w.acts(w.get(trip.ID), 2, PickUp)
	w.toldCount(2, 0) // who sits in the car knows
}

// The job that closes trips finds one that has left before, or was called off.
func TestADepartureBeforeItsTime(t *testing.T) {
	w := newWorld(t)
	off := w.offered()
	trip, err := w.setOut(w.offered())
	if err != nil || !trip.DepartAt.Equal(noon) {
		t.Fatalf("set out: %+v, %v", trip, err)
	}
	w.clock.Advance(time.Hour)
	w.tx(func(tx *db.Tx) error { return w.markDeparted(tx, trip.ID) })
	if now := w.get(trip.ID); now.Version != trip.Version {
		t.Errorf("departed again: %+v", now)
	}
	if _, err := w.cancel(off.ID, off.DriverID); err != nil {
		t.Fatal(err)
	}
	if _, err := w.setOut(off); !errors.Is(err, ErrNotOpen) {
		t.Errorf("a trip that was called off: %v", err)
	}
}
