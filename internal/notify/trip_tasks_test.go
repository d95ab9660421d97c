package notify

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
)

func TestSpreadOfATripReadsAsASentence(t *testing.T) {
	two := []uuid.UUID{uuid.New(), uuid.New()}
	for _, c := range []struct {
		e    TripEvent
		want string
	}{
		{TripEvent{Event: Matched, Orders: two[:1]}, "(notify:spread; finally notify:close)"},
		{TripEvent{Event: Departed, Orders: two}, "(notify:spread; catch notify:report; finally notify:close)"},
		{TripEvent{Event: Rematching, Orders: two}, "(notify:spread; catch notify:report; then notify:report; finally notify:close)"},
		{TripEvent{Event: Rematching, Driver: true}, "(notify:spread; catch notify:report; finally notify:close)"}, // of no rider
	} {
		c.e.Trip = theTrip
		b := c.e.Spread()
		if got := b.Flow.String(); got != c.want || b.Subject.ID != NewsOf(theTrip) || b.Subject.ID == theTrip {
			t.Errorf("%s of %v: %s, want %s", c.e.Event, b.Subject, got, c.want)
		}
	}
}

// One rider is told by a job, without a batch; nobody by nothing.
func TestWhoIsToldOfATripAndHow(t *testing.T) {
	one, two := []uuid.UUID{uuid.New()}, []uuid.UUID{uuid.New(), uuid.New()}
	for _, c := range []struct {
		e           TripEvent
		jobs, flows int
	}{
		{TripEvent{Trip: theTrip, Event: Departed}, 0, 0},
		{TripEvent{Trip: theTrip, Event: Departed, Orders: one}, 1, 0},
		{TripEvent{Trip: theTrip, Event: Departed, Orders: two}, 0, 1},
		{TripEvent{Trip: theTrip, Event: Matched, Orders: one}, 0, 1},
		{TripEvent{Trip: theTrip, Event: Rematching}, 0, 0},
		{TripEvent{Trip: theTrip, Event: Rematching, Orders: one}, 0, 1},
		{TripEvent{Trip: theTrip, Event: Rematching, Driver: true}, 0, 1},
	} {
		asked := &jobstest.Recorder{}
		if err := c.e.Tell(nil, asked); err != nil {
			t.Error(err)
		}
		jobstest.AssertDispatchedCount(t, asked, c.e.Job(), c.jobs)
		asked.AssertBegun(t, c.e.Spread(), c.flows)
	}
	w := newWorld(t)
	near := TripEvent{Trip: theTrip, Event: Near, Orders: []uuid.UUID{w.ride.OrderID}}
	w.queue.Dispatch(near.Job(), near.Job())
	w.queue.Await("the SMS", func() bool { return len(w.sent.to(w.ride.RiderID)) == 1 && w.told(t, Near).is(1, 1, map[Fate]int{}) })
}

// riders puts so many further orders on the trip, and returns all of its orders and riders.
func (w *world) riders(n int) (orders, riders []uuid.UUID) {
	for range n {
		r := w.ride
		r.OrderID, r.RiderID = uuid.New(), uuid.New()
		w.party = append(w.party, r)
	}
	for _, r := range append([]Ride{w.ride}, w.party...) {
		orders, riders = append(orders, r.OrderID), append(riders, r.RiderID)
	}
	return orders, riders
}

// told returns the one entry of an event.
func (w *world) told(t *testing.T, ev Event) Told {
	t.Helper()
	all, err := w.TripTold(t.Context(), theTrip)
	if err != nil {
		t.Fatal(err)
	}
	for _, told := range all {
		if told.Event == ev {
			return told
		}
	}
	t.Fatalf("nobody was told of %s: %+v", ev, all)
	return Told{}
}

func (told Told) is(total, reached int, missed map[Fate]int) bool {
	rest := told.Total - told.Told
	for _, n := range told.Missed {
		rest -= n
	}
	return told.Total == total && told.Told == reached && maps.Equal(told.Missed, missed) && told.Waiting == rest &&
		(told.FinishedAt != nil) == (told.Waiting == 0)
}

// A trip is called off that had five riders, of whom two hear of it by SMS.
func TestATripsRidersAreToldAndCounted(t *testing.T) {
	w := newWorld(t)
	orders, riders := w.riders(4)
	w.people[riders[1]] = Contact{Phone: number(riders[1]), NoSMS: true}
	w.people[riders[2]] = Contact{}
	w.people[riders[3]] = Contact{Phone: "+86 wrong"}
	wire := newWire("first", w.clock)
	w.sent.refuse = map[string]error{"+86 wrong": wire.refusal(unreachable, "21211", 0)}
	off := TripEvent{Trip: theTrip, Event: Rematching, Orders: orders, Driver: true}
	w.tell(off)
	if got := w.told(t, Rematching); !got.is(5, 2, map[Fate]int{OptedOut: 1, NoNumber: 1, NumberRefused: 1}) {
		t.Errorf("told %+v", got)
	}
	if got := w.told(t, TripCancelled); !got.is(1, 1, map[Fate]int{}) {
		t.Errorf("the driver: %+v", got)
	}
	for _, rider := range riders {
		if got := w.inbox(t, rider); !slices.Equal(got, []Event{Rematching}) {
			t.Errorf("inbox has %v", got)
		}
	}
	if got := w.inbox(t, w.ride.DriverID); !slices.Equal(got, []Event{Unreached, TripCancelled}) {
		t.Errorf("the driver was told %v", got)
	}
	w.tell(off) // asked for again, it tells nobody
	if got := w.told(t, Rematching); got.Total != 5 {
		t.Errorf("told again %+v", got)
	}
	if n := w.texts(t); n != 4 {
		t.Errorf("%d SMS were asked for, want 4", n)
	}
}

// Who joins a car is told with everyone in it, once for each round of the search.
func TestAMatchIsToldByABatch(t *testing.T) {
	w := newWorld(t)
	other := uuid.New()
	w.share, w.ride.Shared = []uuid.UUID{other}, true
	w.people[w.ride.DriverID] = Contact{Phone: number(w.ride.DriverID), NoSMS: true}
	match := TripEvent{Trip: theTrip, Event: Matched, Orders: []uuid.UUID{w.ride.OrderID}, Number: w.ride.Round}
	w.tell(match)
	w.tell(match) // asked for again, it tells nobody
	if got := w.told(t, Matched); !got.is(2, 1, map[Fate]int{OptedOut: 1}) {
		t.Errorf("told %+v", got)
	}
	if got := w.told(t, Joined); !got.is(1, 1, map[Fate]int{}) {
		t.Errorf("the other rider: %+v", got)
	}
	w.run(About(w.ride.OrderID, Matched)) // of an earlier version
	for user, want := range map[uuid.UUID]Event{w.ride.RiderID: Matched, w.ride.DriverID: Matched, other: Joined} {
		if got := w.inbox(t, user); !slices.Equal(got, []Event{want}) {
			t.Errorf("inbox has %v, want %s", got, want)
		}
	}
}

// The driver of a trip that was called off hears when everyone knows.
func TestADriverHearsThatEveryoneKnows(t *testing.T) {
	w := newWorld(t)
	orders, _ := w.riders(2)
	for _, ev := range []Event{Rematching, Departed} {
		w.tell(TripEvent{Trip: theTrip, Event: ev, Orders: orders})
	}
	found, err := w.Inbox(t.Context(), w.ride.DriverID, uuid.Nil, 10)
	if err != nil || len(found) != 1 || found[0].Event != Reached || found[0].TripID.Valid ||
		found[0].Text != "Your trip from A to B at 09:00 is called off, and its riders have been told." {
		t.Errorf("told %+v, %v", found, err)
	}
	if got := w.told(t, Departed); !got.is(3, 3, map[Fate]int{}) { // which is not worth an SMS
		t.Errorf("of the departure %+v", got)
	}
	if n := w.texts(t); n != 3 {
		t.Errorf("%d SMS were asked for, want 3", n)
	}
}

// Who has switched the inbox off gets no notice, and SMS all the same.
func TestTheInboxCanBeSwitchedOff(t *testing.T) {
	w := newWorld(t)
	orders, riders := w.riders(1)
	w.people[riders[1]] = Contact{Phone: number(riders[1]), NoInbox: true, Lang: Chinese}
	live, end := w.deps.Hub.Subscribe(UserTopic(riders[1]))
	defer end()
	w.tell(TripEvent{Trip: theTrip, Event: Departed, Orders: orders})
	w.tell(TripEvent{Trip: theTrip, Event: Near, Orders: orders})
	if since, err := w.Since(t.Context(), riders[1], uuid.Nil); err != nil || len(since) != 0 || len(w.inbox(t, riders[1])) != 0 {
		t.Errorf("the inbox has %+v, %v", since, err)
	}
	wantNoHint(t, live)
	if got := w.told(t, Departed); !got.is(2, 1, map[Fate]int{OptedOut: 1}) {
		t.Errorf("of the departure %+v", got)
	}
	if got, want := w.sent.to(riders[1]), "您从A到B的行程，司机即将到达，预计 09:00，请前往上车点。"; !slices.Equal(got, []string{want}) {
		t.Errorf("sent %q, want %q", got, want)
	}
}

// What can wait is sent when quiet hours end, without an attempt, and counts as waiting.
func TestQuietHoursHoldSMSBack(t *testing.T) {
	w := newWorld(t, func(w *world, d *Deps) {
		d.Quiet = Quiet{7 * time.Hour, 10 * time.Hour} // it is eight
		w.ride.PickupAt = w.clock.Now().Add(5 * time.Hour)
	})
	order, rider := w.ride.OrderID, w.ride.RiderID
	w.run(About(order, Matched))
	w.queue.Await("both SMS to wait", func() bool { return w.queue.Events()["notify:sms released"] == 2 })
	if got := w.told(t, Matched); got.Waiting != 2 || got.FinishedAt != nil || len(w.sent.to(rider)) != 0 {
		t.Errorf("in quiet hours %+v, %q", got, w.sent.to(rider))
	}
	var due []jobs.JobView
	for _, j := range w.queued(t) {
		if wait := time.Until(*j.DueAt); j.Attempts != 0 || wait < 119*time.Minute || wait > 2*time.Hour {
			t.Errorf("it waits %s: %+v", wait, j)
		}
		due = append(due, j)
	}
	if len(due) != 2 {
		t.Fatalf("%d wait", len(due))
	}
	w.run(Code(w.ride.DriverID, "123456", w.soon()), About(order, Here)) // these do not wait
	w.queue.Await("what is urgent", func() bool { return len(w.sent.to(rider)) == 1 && len(w.sent.to(w.ride.DriverID)) == 1 })
	w.clock.Advance(2 * time.Hour)
	for _, j := range due {
		w.wakeJob(t, j.ID)
	}
	w.queue.Await("them to be sent", func() bool { return w.told(t, Matched).is(2, 2, map[Fate]int{}) })
}

// Who has lost a rider hears before they depart, whenever the rider is picked up by the other.
func TestQuietHoursOfWhoLostARider(t *testing.T) {
	w := newWorld(t, func(w *world, d *Deps) {
		d.Quiet = Quiet{7 * time.Hour, 10 * time.Hour} // it is eight
		w.ride.PickupAt, w.leave = w.clock.Now().Add(5*time.Hour), w.clock.Now().Add(time.Hour)
	})
	w.run(MovedFrom(theTrip, w.ride.OrderID, w.ride.Round))
	w.queue.Await("one SMS, and two to wait", func() bool {
		return len(w.sent.to(w.ride.DriverID)) == 1 && w.queue.Events()["notify:sms released"] == 2
	})
	if got, want := w.sent.to(w.ride.DriverID)[0], "A rider from A to B goes with another driver now. Please do not wait for them."; got != want {
		t.Errorf("sent %q, want %q", got, want)
	}
}

// An SMS that has waited until its order has lost the trip is not sent.
func TestAnOvertakenSMSIsNotSent(t *testing.T) {
	w := newWorld(t, func(w *world, d *Deps) {
		d.Quiet = Quiet{7 * time.Hour, 10 * time.Hour}
		w.ride.PickupAt = w.clock.Now().Add(5 * time.Hour)
	})
	w.noSMS[w.ride.DriverID] = true
	w.run(About(w.ride.OrderID, Matched))
	w.queue.Await("the SMS to wait", func() bool { return w.queue.Events()["notify:sms released"] == 1 })
	w.ride.Seated = false
	w.clock.Advance(3 * time.Hour)
	w.wakeJob(t, w.queued(t)[0].ID)
	w.queue.Await("it to be dropped", func() bool { return w.told(t, Matched).is(2, 0, map[Fate]int{Overtaken: 1, OptedOut: 1}) })
	if got := w.sent.made(); got != 0 {
		t.Errorf("%d sent", got)
	}
}

// What overtakes an SMS that has waited depends on what it tells.
func TestWhatOvertakesAnSMS(t *testing.T) {
	w := newWorld(t, func(w *world, _ *Deps) { w.idle = true })
	order := w.ride.OrderID
	for _, c := range []struct {
		name string
		ride Ride
		old  []Event // that are no longer true of it
	}{
		{"seated", Ride{TripID: theTrip, Seated: true}, nil},
		{"seated elsewhere", Ride{TripID: uuid.New(), Seated: true}, []Event{Matched, Rematching}},
		{"looks for a trip", Ride{}, []Event{Matched}},
		{"closed", Ride{Over: true}, []Event{Matched, Rematching}},
	} {
		w.ride = c.ride
		w.ride.OrderID = order
		for _, ev := range []Event{Matched, Rematching, Expired} {
			n := Notice{Event: ev, OrderID: some(order), TripID: some(theTrip), CreatedAt: w.clock.Now().Add(-fresh)}
			if old, err := w.overtaken(t.Context(), n); err != nil || old != slices.Contains(c.old, ev) {
				t.Errorf("%s: %s is overtaken %t, %v", c.name, ev, old, err)
			}
		}
	}
}

// When a trip is called off, what is still to be told of it is not told any more.
func TestACancelKeepsBackWhatIsStillToBeTold(t *testing.T) {
	w := newWorld(t, func(w *world, d *Deps) {
		d.Quiet = Quiet{7 * time.Hour, 10 * time.Hour}
		w.ride.PickupAt = w.clock.Now().Add(5 * time.Hour)
	})
	orders, riders := w.riders(2)
	w.noSMS[riders[0]] = true
	w.start(TripEvent{Trip: theTrip, Event: Late, Orders: orders, Number: 4})
	w.queue.Await("the SMS to wait", func() bool { return w.queue.Events()["notify:sms released"] == 2 })
	off := Notice{ // which is told by the flow that comes after
		ID: uuid.Must(uuid.NewV7()), UserID: w.ride.DriverID, Event: TripCancelled, AboutID: theTrip, TripID: some(theTrip),
		SMS: Waiting, CreatedAt: w.clock.Now(),
	}
	err := w.deps.DB.Tx(t.Context(), func(tx *db.Tx) error {
		if err := tx.Create(&off).Error; err != nil {
			return err
		}
		_, err := w.queue.Client.Cancel(tx, NewsOf(theTrip))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	w.queue.Await("them to be closed", func() bool { return w.told(t, Late).is(3, 0, map[Fate]int{Dropped: 2, OptedOut: 1}) })
	if got := w.told(t, TripCancelled); got.Waiting != 1 {
		t.Errorf("what the driver is still told is closed too: %+v", got)
	}
	if got := w.sent.made(); got != 0 {
		t.Errorf("%d sent", got)
	}
}

// However often and in whatever order events are told, each person hears once of each,
// and the audit finds nothing.
func TestNobodyIsToldTwice(t *testing.T) {
	w := newWorld(t, func(w *world, _ *Deps) { w.idle = true })
	orders, _ := w.riders(3)
	rapid.Check(t, func(rt *rapid.T) {
		trip := uuid.New()
		w.ride.TripID = trip
		for i := range w.party {
			w.party[i].TripID = trip
		}
		events := rapid.SliceOfN(rapid.SampledFrom([]Event{Departed, Near, Late, Rematching}), 1, 3).Draw(rt, "events")
		versions := rapid.SliceOfN(rapid.IntRange(1, 2), len(events), len(events)).Draw(rt, "versions")
		want := map[string]bool{}
		for i, ev := range events {
			who := rapid.SliceOfNDistinct(rapid.SampledFrom(orders), 1, len(orders), rapid.ID).Draw(rt, "orders")
			e := TripEvent{Trip: trip, Event: ev, Orders: who}
			if ev == Late {
				e.Number = versions[i]
			}
			for _, order := range who {
				want[fmt.Sprint(ev, order, e.Number)] = true
			}
			b := e.Spread()
			for range rapid.IntRange(1, 2).Draw(rt, "times") {
				b.Subject.ID = uuid.New()
				err := w.deps.DB.Tx(t.Context(), func(tx *db.Tx) error { _, err := w.queue.Client.StartAll(tx, b); return err })
				if err != nil {
					rt.Fatal(err)
				}
			}
		}
		w.queue.Drain()
		var n int
		if err := w.deps.DB.Read(t.Context()).Raw("SELECT COUNT(*) FROM notices WHERE trip_id = ?", trip).Scan(&n).Error; err != nil || n != len(want) {
			rt.Fatalf("%d notices, %v, want %d", n, err, len(want))
		}
	})
}

// The rule finds who was told twice, although the keys differ.
func TestTheAuditFindsWhoWasToldTwice(t *testing.T) {
	w := newWorld(t)
	order, rider := uuid.New(), uuid.New()
	for _, q := range []string{
		"INSERT INTO users (id, phone, role, created_at) VALUES (@rider, '+8613800000009', 'rider', @now)",
		`INSERT INTO orders (id, rider_id, status, reason, seats, origin_lat, origin_lng, origin_name, dest_lat, dest_lng, dest_name, depart_after,
			arrive_before, match_until, distance_m, duration_s, fare, fare_pooled, rematches, version, created_at, changed_at)
			VALUES (@order, @rider, 'confirmed', '', 1, 0, 0, '', 1, 1, '', @now, @now, @now, 1, 1, 1, 1, 1, 1, @now, @now)`,
	} {
		err := w.deps.DB.Tx(t.Context(), func(tx *db.Tx) error {
			return tx.Exec(q, map[string]any{"rider": rider, "order": order, "now": w.clock.Now()}).Error
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	tell := func(ev Event) {
		t.Helper()
		n := Notice{ID: uuid.Must(uuid.NewV7()), UserID: rider, Event: ev, AboutID: uuid.New(), OrderID: some(order), CreatedAt: w.clock.Now()}
		if err := w.deps.DB.Tx(t.Context(), func(tx *db.Tx) error { return tx.Create(&n).Error }); err != nil {
			t.Fatal(err)
		}
	}
	finds := func(n int) {
		t.Helper()
		if lines, err := w.ToldTwice(t.Context()); err != nil || len(lines) != n {
			t.Errorf("found %q, %v, want %d", lines, err, n)
		}
	}
	tell(Matched)
	tell(Matched) // it has been on two trips
	tell(Late)
	tell(Late)
	tell(Late)
	tell(Receipted)
	finds(0)
	tell(Matched)
	finds(1)
	tell(Receipted)
	finds(2)
}

// texts returns how many SMS about notices were asked for.
func (w *world) texts(t *testing.T) (n int) {
	t.Helper()
	if err := w.deps.DB.Read(t.Context()).Raw("SELECT COUNT(*) FROM jobs WHERE kind = ?", smsKind.Name).Scan(&n).Error; err != nil {
		t.Fatal(err)
	}
	return n
}

// queued returns the SMS that wait.
func (w *world) queued(t *testing.T) (waiting []jobs.JobView) {
	t.Helper()
	err := w.deps.DB.Read(t.Context()).Raw("SELECT id, attempts, due_at FROM jobs WHERE kind = ? AND state = 'ready'", smsKind.Name).Scan(&waiting).Error
	if err != nil {
		t.Fatal(err)
	}
	return waiting
}

// wakeJob has a job run now.
func (w *world) wakeJob(t *testing.T, id uuid.UUID) {
	t.Helper()
	err := w.deps.DB.Tx(t.Context(), func(tx *db.Tx) error {
		n, err := tx.Change("UPDATE jobs SET due_at = ?, generation = generation + 1 WHERE id = ? AND state = 'ready'", time.Now().Add(-time.Minute), id)
		if err == nil && n != 1 {
			err = errors.New("no such job waits")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
