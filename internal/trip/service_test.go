package trip

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/db/dbtest"
	"github.com/spotpool/spotpool/internal/fault"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
)

// offersKind is what offers seats to those who wait.
var offersKind = jobs.Kind[tripArgs]{
	Name: "test:offer", Queue: "match", Tries: 1, Backoff: jobs.Fixed(time.Second), Timeout: time.Second,
}

func offerSeats(id uuid.UUID) jobs.Job { return offersKind.New(tripArgs{id}) }

// world is a service on a database of the test's own.
type world struct {
	*Service
	t     *testing.T
	db    *db.DB
	clock *clock.Fake
	asked *jobstest.Recorder // the jobs and flows that it has asked for
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, db: dbtest.Open(t), clock: clock.NewFake(noon), asked: &jobstest.Recorder{}}
	w.Service = NewService(w.db, w.asked, w.clock, Config{
		Travel: minutes{}, DefaultDetour: DefaultDetour, NoShowWait: DefaultNoShowWait, Roomier: offerSeats, Completed: settleTrip,
	})
	return w
}

// forget has what was asked for so far not count any more.
func (w *world) forget() {
	w.asked = &jobstest.Recorder{}
	w.queue = w.asked
}

func (w *world) tx(fn func(tx *db.Tx) error) {
	w.t.Helper()
	if err := w.db.Tx(w.t.Context(), fn); err != nil {
		w.t.Fatal(err)
	}
}

// offered is a trip from latitude 0 to 30, half an hour's way, in ten minutes.
func (w *world) offered() (t Trip) {
	w.t.Helper()
	w.tx(func(tx *db.Tx) (err error) {
		t, err = w.Offer(tx, anOffer())
		return err
	})
	return t
}

func (w *world) get(id uuid.UUID) Trip {
	w.t.Helper()
	t, err := w.Get(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return t
}

// assign puts the plan on the trip and returns it as stored.
func (w *world) assign(t Trip, plan Plan) Trip {
	w.t.Helper()
	t.Plan = plan
	w.tx(func(tx *db.Tx) error { return w.Assign(tx, t.Reschedule(minutes{}), t.Version) })
	return w.get(t.ID)
}

func anOffer() Offer {
	return Offer{DriverID: uuid.New(), Origin: place(0), Dest: new(place(30)), DepartAt: at(10), Seats: 4}
}

func TestOffer(t *testing.T) {
	w := newWorld(t)
	offer := anOffer()
	var made Trip
	w.tx(func(tx *db.Tx) (err error) {
		made, err = w.Offer(tx, offer)
		return err
	})

	stored := w.get(made.ID)
	if !reflect.DeepEqual(made, stored) {
		t.Errorf("made   %+v\nstored %+v", made, stored)
	}
	want := Trip{
		ID: made.ID, DriverID: offer.DriverID, Status: Open, Seats: 4, SeatsLeft: 4, Origin: place(0), Dest: new(place(30)),
		DepartAt: at(10), ArriveAt: at(40), MaxDetour: 15 * time.Minute, Plan: Plan{}, Version: 1, CreatedAt: noon, ChangedAt: noon,
	}
	if !reflect.DeepEqual(stored, want) {
		t.Errorf("got  %+v\nwant %+v", stored, want)
	}
	jobstest.AssertDispatchedCount(t, w.asked, Depart(made.ID).In(10*time.Minute), 1)
	jobstest.AssertDispatchedCount(t, w.asked, offerSeats(made.ID), 1)
}

// A taxi has no destination: its trip ends where its last rider leaves it.
func TestATaxi(t *testing.T) {
	w := newWorld(t)
	offer := anOffer()
	offer.Dest = nil
	var made Trip
	w.tx(func(tx *db.Tx) (err error) {
		made, err = w.Offer(tx, offer)
		return err
	})
	if stored := w.get(made.ID); !reflect.DeepEqual(made, stored) || stored.Dest != nil || stored.MaxDetour != 0 || stored.ArriveAt != at(10) {
		t.Errorf("made   %+v\nstored %+v", made, stored)
	}
	a := uuid.New()
	got := w.assign(made, Plan{pickup(a, 5, 1, 0), dropoff(a, 20, 1, 60)})
	if !got.ArriveAt.Equal(at(30)) || got.SeatsLeft != 3 {
		t.Errorf("with a rider: %+v", got)
	}
	if found, err := w.PlanOrder(t.Context()); err != nil || found != nil {
		t.Errorf("audit: %q, %v", found, err)
	}
}

func TestOfferRules(t *testing.T) {
	w := newWorld(t)
	detour := func(d time.Duration) func(*Offer) { return func(o *Offer) { o.MaxDetour = &d } }
	for name, c := range map[string]struct {
		change func(*Offer)
		code   string // "" when it is fine
	}{
		"no seat":            {func(o *Offer) { o.Seats = 0 }, "seats_out_of_range"},
		"one seat":           {func(o *Offer) { o.Seats = 1 }, ""},
		"nine seats":         {func(o *Offer) { o.Seats = 9 }, "seats_out_of_range"},
		"origin off":         {func(o *Offer) { o.Origin.Lng = 181 }, "point_off_the_globe"},
		"destination off":    {func(o *Offer) { o.Dest.Lat = -91 }, "point_off_the_globe"},
		"long name":          {func(o *Offer) { o.Dest.Name = strings.Repeat("x", 201) }, "name_too_long"},
		"nowhere to go":      {func(o *Offer) { o.Dest = &o.Origin }, "origin_equals_destination"},
		"a taxi":             {func(o *Offer) { o.Dest = nil }, ""},
		"a taxi's detour":    {func(o *Offer) { o.Dest, o.MaxDetour = nil, new(time.Duration) }, "detour_to_nowhere"},
		"a moment ago":       {func(o *Offer) { o.DepartAt = noon.Add(-time.Minute) }, ""},
		"too late":           {func(o *Offer) { o.DepartAt = noon.Add(-time.Minute - 1) }, "depart_at_in_the_past"},
		"in a week":          {func(o *Offer) { o.DepartAt = noon.Add(maxAhead) }, ""},
		"in more":            {func(o *Offer) { o.DepartAt = noon.Add(maxAhead + 1) }, "depart_at_too_far"},
		"no detour":          {detour(0), ""},
		"two hours' detour":  {detour(120 * time.Minute), ""},
		"more":               {detour(121 * time.Minute), "detour_out_of_range"},
		"less than a detour": {detour(-time.Minute), "detour_out_of_range"},
	} {
		t.Run(name, func(t *testing.T) {
			offer := anOffer()
			c.change(&offer)
			err := w.db.Tx(t.Context(), func(tx *db.Tx) error {
				made, err := w.Offer(tx, offer)
				if err == nil && offer.MaxDetour != nil && made.MaxDetour != *offer.MaxDetour {
					t.Errorf("detour %s, want %s", made.MaxDetour, *offer.MaxDetour)
				}
				return err
			})
			if c.code == "" && err != nil || c.code != "" && fault.CodeOf(err) != c.code {
				t.Errorf("got %v, want %q", err, c.code)
			}
			if err != nil && fault.KindOf(err) != fault.Invalid {
				t.Errorf("kind of %v is not Invalid", err)
			}
		})
	}
}

func TestAssignComparesTheVersion(t *testing.T) {
	w := newWorld(t)
	first, order := w.offered(), uuid.New()
	w.clock.Advance(time.Second)
	second := w.assign(first, Plan{pickup(order, 5, 3, 0), dropoff(order, 20, 3, 60)})
	if second.Version != 2 || second.SeatsLeft != 1 || len(second.Plan) != 2 || !second.ChangedAt.Equal(noon.Add(time.Second)) {
		t.Errorf("stored %+v", second)
	}
	if !second.Plan[1].At.Equal(at(30)) || !second.Plan[1].Latest.Equal(at(60)) {
		t.Errorf("stored plan %+v", second.Plan)
	}

	err := w.db.Tx(t.Context(), func(tx *db.Tx) error { return w.Assign(tx, first, first.Version) })
	if !errors.Is(err, ErrStale) {
		t.Errorf("an old version: %v, want ErrStale", err)
	}
	w.clock.Advance(time.Hour)
	w.tx(func(tx *db.Tx) error { return w.markDeparted(tx, first.ID) })
	err = w.db.Tx(t.Context(), func(tx *db.Tx) error { return w.Assign(tx, second, 3) })
	if !errors.Is(err, ErrStale) {
		t.Errorf("a departed trip: %v, want ErrStale", err)
	}
}

func TestAssignHasOneWinner(t *testing.T) {
	w := newWorld(t)
	trip := w.offered()
	var gate, done sync.WaitGroup
	var won, stale atomic.Int32
	gate.Add(1)
	for range 20 {
		done.Go(func() {
			gate.Wait()
			err := w.db.Tx(context.Background(), func(tx *db.Tx) error { return w.Assign(tx, trip, trip.Version) })
			switch {
			case err == nil:
				won.Add(1)
			case errors.Is(err, ErrStale):
				stale.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	gate.Done()
	done.Wait()
	if won.Load() != 1 || stale.Load() != 19 {
		t.Errorf("%d won and %d were stale, want 1 and 19", won.Load(), stale.Load())
	}
}

func (w *world) remove(tripID, orderID uuid.UUID) (freed bool) {
	w.t.Helper()
	w.tx(func(tx *db.Tx) (err error) {
		freed, err = w.RemoveOrder(tx, tripID, orderID)
		return err
	})
	return freed
}

func TestRemoveOrder(t *testing.T) {
	w := newWorld(t)
	a, b := uuid.New(), uuid.New()
	trip := w.assign(w.offered(), Plan{pickup(a, -2, 2, 0), pickup(b, 5, 1, 0), dropoff(a, 20, 2, 60), dropoff(b, 25, 1, 60)})
	w.forget()
	if !w.remove(trip.ID, a) {
		t.Error("nothing was freed")
	}
	got := w.get(trip.ID)
	if !slices.Equal(got.Plan.Orders(), []uuid.UUID{b}) || got.SeatsLeft != 3 || got.Version != 3 {
		t.Errorf("left %+v", got)
	}
	jobstest.AssertDispatched(t, w.asked, RefreshPlan(trip.ID))
	jobstest.AssertKindCount(t, w.asked, offersKind.Name, 0) // the refreshed plan's seats are offered
	w.forget()
	if w.remove(trip.ID, a) || w.remove(uuid.New(), b) {
		t.Error("an order or a trip that is not there freed seats")
	}
	if got := w.get(trip.ID); got.Version != 3 {
		t.Errorf("version %d after nothing changed, want 3", got.Version)
	}
	w.asked.AssertNothingStarted(t)
	for _, rule := range []func(context.Context) ([]string, error){w.Oversold, w.PlanOrder} {
		if found, err := rule(t.Context()); err != nil || found != nil {
			t.Errorf("audit before the plan is refreshed: %q, %v", found, err)
		}
	}
}

func TestPages(t *testing.T) {
	w := newWorld(t)
	driver := uuid.New()
	var all, own []uuid.UUID
	for i := range 5 {
		offer := anOffer()
		if i%2 == 0 {
			offer.DriverID = driver
		}
		w.tx(func(tx *db.Tx) error {
			made, err := w.Offer(tx, offer)
			all = slices.Insert(all, 0, made.ID)
			if i%2 == 0 {
				own = slices.Insert(own, 0, made.ID)
			}
			return err
		})
	}
	for name, c := range map[string]struct {
		list func(after uuid.UUID) ([]Trip, error)
		want []uuid.UUID
	}{
		"all": {func(after uuid.UUID) ([]Trip, error) { return w.List(t.Context(), after, 2) }, all},
		"own": {func(after uuid.UUID) ([]Trip, error) { return w.OfDriver(t.Context(), driver, after, 2) }, own},
	} {
		t.Run(name, func(t *testing.T) {
			var got []uuid.UUID
			for after := uuid.Nil; ; after = got[len(got)-1] {
				trips, err := c.list(after)
				if err != nil {
					t.Fatal(err)
				}
				for _, trip := range trips {
					got = append(got, trip.ID)
				}
				if len(trips) < 2 {
					break
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestGetUnknown(t *testing.T) {
	w := newWorld(t)
	if _, err := w.Get(t.Context(), uuid.New()); !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
}

func TestMarks(t *testing.T) {
	w := newWorld(t)
	old := w.offered()
	w.clock.Advance(5 * time.Minute)
	changed := w.assign(w.offered(), nil)

	marks, err := w.Changed(t.Context(), w.clock.Now())
	if want := []Mark{{changed.ID, 2}}; err != nil || !slices.Equal(marks, want) {
		t.Errorf("changed: %v, %v, want %v", marks, err, want)
	}
	if marks, err = w.Changed(t.Context(), noon); err != nil || len(marks) != 2 {
		t.Errorf("changed since noon: %v, %v, want both", marks, err)
	}
	if marks, err = w.TakingOrders(t.Context(), at(9)); err != nil || len(marks) != 2 {
		t.Errorf("taking orders: %v, %v, want both", marks, err)
	}
	if marks, err = w.TakingOrders(t.Context(), at(10)); err != nil || len(marks) != 0 {
		t.Errorf("taking orders at the departure: %v, %v, want none", marks, err)
	}
	trips, err := w.Load(t.Context(), old.ID, changed.ID, uuid.New())
	if err != nil || len(trips) != 2 {
		t.Errorf("loaded %v, %v, want two trips", trips, err)
	}
}

func TestDepart(t *testing.T) {
	w := newWorld(t)
	trip := w.offered()
	depart := func() Trip {
		w.tx(func(tx *db.Tx) error { return w.markDeparted(tx, trip.ID) })
		return w.get(trip.ID)
	}
	if got := depart(); got.Status != Open || got.Version != 1 {
		t.Errorf("before its time: %s, version %d", got.Status, got.Version)
	}
	w.clock.Advance(10 * time.Minute)
	for range 2 { // the second time changes nothing
		if got := depart(); got.Status != Departed || got.Version != 2 {
			t.Errorf("at its time: %s, version %d", got.Status, got.Version)
		}
	}
}

func TestAudit(t *testing.T) {
	w := newWorld(t)
	a, b := uuid.New(), uuid.New()
	good := Plan{pickup(a, 5, 2, 0), pickup(b, 6, 2, 0), dropoff(a, 20, 2, 60), dropoff(b, 25, 2, 60)}
	w.assign(w.offered(), good)
	rules := map[string]func(context.Context) ([]string, error){"oversold": w.Oversold, "order": w.PlanOrder}
	for name, rule := range rules {
		if got, err := rule(t.Context()); err != nil || got != nil {
			t.Fatalf("%s finds %q, %v in a sound database", name, got, err)
		}
	}
	for name, c := range map[string]struct {
		plan Plan
		bend func(t *Trip) // after the times were worked out
		rule string
		want string
	}{
		"oversold":        {Plan{pickup(a, 5, 5, 0), dropoff(a, 6, 5, 60)}, nil, "oversold", "5 seats taken of 4"},
		"miscounted":      {good, func(t *Trip) { t.SeatsLeft = 1 }, "oversold", "1 seats left on record, 0 by its plan"},
		"never delivered": {Plan{pickup(a, 5, 1, 0)}, nil, "order", "order " + a.String() + " is never dropped off"},
		"never fetched":   {Plan{dropoff(a, 5, 1, 60)}, nil, "order", "order " + a.String() + " is dropped off without being aboard"},
		"fetched twice": {Plan{pickup(a, 5, 1, 0), pickup(a, 6, 1, 0), dropoff(a, 7, 1, 60)}, nil, "order",
			"order " + a.String() + " is picked up twice"},
		"promise broken": {Plan{pickup(a, 5, 1, 0), dropoff(a, 20, 1, 29)}, nil, "order", "order " + a.String() + " arrives later than promised"},
		"too early": {good, func(t *Trip) { t.Plan[0].Earliest = at(16) }, "order",
			"order " + a.String() + " is picked up before its time"},
		"back in time": {good, func(t *Trip) { t.Plan[2].At = at(0) }, "order",
			"the times of its plan fall at the dropoff of order " + a.String()},
		"no way home": {good, func(t *Trip) { t.ArriveAt = at(0) }, "order", "it arrives before its last stop"},
	} {
		t.Run(name, func(t *testing.T) {
			trip := w.offered()
			bent := trip
			bent.Plan = c.plan
			bent = bent.Reschedule(minutes{})
			if c.bend != nil {
				c.bend(&bent)
			}
			w.tx(func(tx *db.Tx) error { return w.Assign(tx, bent, trip.Version) })
			got, err := rules[c.rule](t.Context())
			if want := "trip " + trip.ID.String() + ": " + c.want; err != nil || !slices.Equal(got, []string{want}) {
				t.Errorf("found %q, %v, want %q", got, err, want)
			}
			w.assign(w.get(trip.ID), nil)
		})
	}
}
