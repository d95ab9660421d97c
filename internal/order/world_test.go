package order

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
	"github.com/spotpool/spotpool/internal/match"
	"github.com/spotpool/spotpool/internal/notify"
	"github.com/spotpool/spotpool/internal/pay"
	"github.com/spotpool/spotpool/internal/rating"
	"github.com/spotpool/spotpool/internal/trip"
)

// world is the order service with all it works with, on servers of the test's
// own. Its time stands at noon until it is moved.
type world struct {
	*Service
	t        *testing.T
	h        *jobstest.Harness
	clock    *clock.Fake
	trips    *trip.Service
	payments *pay.Service
	notices  *notify.Service
	ratings  *rating.Service
	gateway  *gateway
	live     *live
	people   atomic.Int64
}

func newWorld(t *testing.T) *world { return newWorldWith(t, match.Live{}) }

// newWorldWith is one in which orders are decided as how says.
func newWorldWith(t *testing.T, how match.Live) *world {
	t.Helper()
	w := &world{t: t, h: jobstest.New(t), clock: clock.NewFake(noon), gateway: &gateway{}}
	w.build(how, w.gateway, w.h.System.Redis(), nil)
	return w
}

// newSyncWorld is one whose jobs run when drained, under one clock with all else, and
// whose money is at another gateway. Trips that are over are settled.
func newSyncWorld(t *testing.T, at pay.Gateway) *world {
	t.Helper()
	w := &world{t: t, h: jobstest.NewSync(t)}
	w.clock = w.h.Clock
	w.build(match.Live{}, at, w.h.Server(), SettleTrip)
	return w
}

// forget empties the tables that audits read.
func (w *world) forget() {
	w.t.Helper()
	for _, table := range []string{
		"orders", "order_events", "payments", "trips", "jobs", "job_batches", "flows", "failed_jobs", "ledger_entries", "settlements", "notices", "ratings",
	} {
		w.exec("DELETE FROM " + table)
	}
}

// drain runs the jobs that are due, SMS apart.
func (w *world) drain(t require) {
	cfg := jobstest.Config("orders", "match", "pay", "notify", "low")
	if _, err := w.h.System.Worker(w.h.Registry, cfg).Drain(context.Background()); err != nil {
		t.Fatalf("drain: %v", err)
	}
}

// require ends a test; of testing or of rapid.
type require interface {
	Fatalf(format string, args ...any)
}

// build makes the services. Trips that are over are settled by what settle returns.
func (w *world) build(how match.Live, at pay.Gateway, server redis.UniversalClient, settle func(uuid.UUID) jobs.Job) {
	w.live = &live{told: map[string]int{}}
	quiet := slog.New(slog.DiscardHandler)
	w.trips = trip.NewService(w.h.DB, w.h.Client, w.clock, trip.Config{
		Travel: ruler{}, DefaultDetour: trip.DefaultDetour, NoShowWait: trip.DefaultNoShowWait, Roomier: how.Roomier(), Completed: settle,
	})
	w.payments = pay.New(pay.Deps{
		DB: w.h.DB, Gateway: at, Rides: w.trips, Locks: jobs.NewLocker(server), Clock: w.clock, Zone: time.UTC, Log: quiet, FeePercent: 20,
	})
	w.Service = New(Deps{
		DB: w.h.DB, Queue: w.h.Client, Trips: w.trips, Payments: w.payments, Riders: riders{}, Live: w.live,
		Clock: w.clock, Config: usual,
	})
	w.ratings = rating.New(w.h.DB, w.h.Client, w.Service, w.clock)
	matcher := match.NewService(match.Deps{
		DB: w.h.DB, Board: match.NewBoard(w.trips, ruler{}, w.clock, quiet), Trips: w.trips, Orders: w.Service, Queue: w.h.Client,
		Locks: jobs.NewLocker(server), Live: how, Clock: w.clock, Log: quiet,
	})
	w.notices = notify.New(notify.Deps{
		DB: w.h.DB, Jobs: w.h.Client, Rides: w.Service, Statements: w.payments, People: everyone{}, Hub: notify.NewHub(server, quiet), Clock: w.clock, Zone: time.UTC,
	})
	for _, register := range []func(*jobs.Registry){matcher.Register, w.payments.Register, w.Register, w.ratings.Register, w.notices.Register, w.trips.Register} {
		register(w.h.Registry)
	}
}

// decides begins one more decision.
func (w *world) decides() {
	w.t.Helper()
	n := w.h.Events()["match:decide done"]
	w.h.Dispatch(match.Decide())
	w.h.Await("a decision", func() bool { return w.h.Events()["match:decide done"] > n })
}

// run works on everything but SMS and departures until the test ends.
func (w *world) run() { w.h.Work("orders", "match", "pay", "notify") }

func (w *world) tx(fn func(tx *db.Tx) error) {
	w.t.Helper()
	if err := w.h.DB.Tx(w.t.Context(), fn); err != nil {
		w.t.Fatal(err)
	}
}

// exec changes the database behind the program's back.
func (w *world) exec(query string, args ...any) {
	w.t.Helper()
	w.tx(func(tx *db.Tx) error { return tx.Exec(query, args...).Error })
}

func (w *world) count(query string, args ...any) (n int) {
	w.t.Helper()
	if err := w.h.DB.Read(w.t.Context()).Raw(query, args...).Scan(&n).Error; err != nil {
		w.t.Fatal(err)
	}
	return n
}

func (w *world) person() uuid.UUID {
	w.t.Helper()
	id := uuid.Must(uuid.NewV7())
	w.exec("INSERT INTO users (id, phone, role, created_at) VALUES (?, ?, 'rider', ?)", id, w.people.Add(1), noon)
	return id
}

// place places an order.
func (w *world) place(rider uuid.UUID, wish Wish) (o Order, err error) {
	err = w.h.DB.Tx(w.t.Context(), func(tx *db.Tx) (err error) {
		o, err = w.Place(tx, rider, wish)
		return err
	})
	return o, err
}

// placed is an order of the rider that must be accepted.
func (w *world) placed(rider uuid.UUID, wish Wish) Order {
	w.t.Helper()
	o, err := w.place(rider, wish)
	if err != nil {
		w.t.Fatal(err)
	}
	return o
}

// offered is a trip from place 0 to place 30 that leaves ten minutes after noon.
func (w *world) offered(seats int) trip.Trip {
	w.t.Helper()
	return w.offer(seats, at(10))
}

// offeredAt is one of four seats that leaves at a time.
func (w *world) offeredAt(depart time.Time) trip.Trip {
	w.t.Helper()
	return w.offer(4, depart)
}

func (w *world) offer(seats int, depart time.Time) (offered trip.Trip) {
	w.t.Helper()
	w.tx(func(tx *db.Tx) (err error) {
		offered, err = w.trips.Offer(tx, trip.Offer{
			DriverID: uuid.Must(uuid.NewV7()), Origin: place(0), Dest: new(place(30)), DepartAt: depart, Seats: seats,
		})
		return err
	})
	return offered
}

// seat puts an order on a trip as matching does: picked up and dropped off at the given times.
func (w *world) seat(o Order, on trip.Trip, pickup, dropoff time.Time) {
	w.t.Helper()
	now, err := w.trips.Get(w.t.Context(), on.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	now.Plan = append(now.Plan,
		trip.Stop{OrderID: o.ID, Kind: trip.Pickup, Place: o.Origin, Seats: o.Seats, Earliest: o.DepartAfter},
		trip.Stop{OrderID: o.ID, Kind: trip.Dropoff, Place: o.Dest, Seats: o.Seats, Latest: o.ArriveBefore})
	w.tx(func(tx *db.Tx) error {
		if err := w.trips.Assign(tx, now.Reschedule(ruler{}), now.Version); err != nil {
			return err
		}
		return w.Matched(tx, o.ID, on.ID, pickup, dropoff)
	})
}

func (w *world) get(id uuid.UUID) Order {
	w.t.Helper()
	o, err := w.Get(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return o
}

func (w *world) cancel(id, by uuid.UUID) (o Order, err error) {
	err = w.h.DB.Tx(w.t.Context(), func(tx *db.Tx) (err error) {
		o, err = w.Cancel(tx, id, by)
		return err
	})
	return o, err
}

// cancelled is an order that its rider may cancel, and does.
func (w *world) cancelled(o Order) Order {
	w.t.Helper()
	c, err := w.cancel(o.ID, o.RiderID)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// life returns the statuses an order has had, checking that each change was numbered and told.
func (w *world) life(id uuid.UUID) (statuses []Status) {
	w.t.Helper()
	events, err := w.EventsSince(w.t.Context(), id, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	for i, e := range events {
		statuses = append(statuses, e.Status)
		if e.OrderID != id || i > 0 && e.Seq <= events[i-1].Seq {
			w.t.Errorf("event %d is %+v", i, e)
		}
	}
	if told := w.live.count(notify.OrderTopic(id)); told != len(events)-1 { // nobody listens before there is an order
		w.t.Errorf("%d changes were told live %d times", len(events)-1, told)
	}
	return statuses
}

func (w *world) payment(id uuid.UUID) pay.Status {
	w.t.Helper()
	found, err := w.payments.Of(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return found[id].Status
}

// inbox returns the events a person was told of, sorted.
func (w *world) inbox(person uuid.UUID) (events []notify.Event) {
	w.t.Helper()
	notices, err := w.notices.Inbox(w.t.Context(), person, uuid.Nil, 100)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, n := range notices {
		events = append(events, n.Event)
	}
	slices.Sort(events)
	return events
}

// confirmed is an order that has come to the end of its flow, and the trip of one
// seat that it is on. Jobs run from then on.
func (w *world) confirmed() (Order, trip.Trip) {
	w.t.Helper()
	ride := w.offered(1)
	o := w.placed(w.person(), aWish())
	w.run()
	w.h.AwaitFlow(o.ID, "done")
	w.settled()
	return o, ride
}

// settled waits until no job is left to do, SMS, departures, reminders and ends of disputes apart.
func (w *world) settled() {
	w.t.Helper()
	w.h.Await("no job is left", func() bool {
		return w.count("SELECT COUNT(*) FROM jobs WHERE state = 'ready' AND queue NOT IN ('sms', 'low') AND kind NOT IN ('notify:remind', 'rating:remind', 'pay:end_disputes')") == 0
	})
}

// duringAHold calls fn with an order while the gateway is asked to hold its fare,
// and with the trip of one seat that the order is on. Jobs run from then on.
func (w *world) duringAHold(fn func(o Order, ride trip.Trip)) (Order, trip.Trip) {
	w.t.Helper()
	w.gateway.meets = make(chan chan struct{})
	ride := w.offered(1)
	o := w.placed(w.person(), aWish())
	w.run()
	goOn := w.holds()
	fn(o, ride)
	close(goOn)
	return o, ride
}

// holds waits until the gateway is asked for a hold, which ends when the channel is closed.
func (w *world) holds() (goOn chan struct{}) {
	w.t.Helper()
	select {
	case goOn = <-w.gateway.meets:
	case <-time.After(jobstest.Deadline):
		w.t.Fatal("the fare was never held")
	}
	return goOn
}

// audited checks the rules.
func (w *world) audited() {
	w.t.Helper()
	w.audit(w.t)
}

func (w *world) audit(t require) {
	for _, rule := range []func(context.Context) ([]string, error){
		w.SeatsAgree, w.PaymentsAgree, w.trips.Oversold, w.trips.PlanOrder, w.ChargedOnce, w.TripsSettled,
		w.payments.LedgerBalances, w.payments.LedgerAgrees, w.payments.DoubleHolds, w.payments.NoneAboveHold, w.payments.MoneyStuck,
		w.ratings.RatingsAgree, w.notices.ToldTwice, w.h.Client.StuckFlows, w.h.Client.BatchCounts,
	} {
		if lines, err := rule(context.Background()); len(lines) > 0 || err != nil {
			t.Fatalf("audit: %v, %v", lines, err)
		}
	}
}

// riders locks rows of users.
type riders struct{}

func (riders) Lock(tx *db.Tx, id uuid.UUID) error {
	var found []string
	err := tx.Clauses(db.ForUpdate).Table("users").Where("id = ?", id).Pluck("id", &found).Error
	if err == nil && len(found) != 1 {
		err = errors.New("no such rider")
	}
	return err
}

// everyone has a number.
type everyone struct{}

func (everyone) Contacts(_ context.Context, users ...uuid.UUID) (map[uuid.UUID]notify.Contact, error) {
	found := map[uuid.UUID]notify.Contact{}
	for _, user := range users {
		found[user] = notify.Contact{Phone: "+86 " + user.String()}
	}
	return found, nil
}

// live counts what was published.
type live struct {
	mu   sync.Mutex
	told map[string]int
}

func (l *live) Publish(_ context.Context, topic string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.told[topic]++
}

func (l *live) count(topic string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.told[topic]
}

// gateway is a sandbox that can be told to decline, or to let a test act while a hold is under way.
type gateway struct {
	pay.Sandbox
	declines atomic.Bool
	meets    chan chan struct{} // nil: does not wait
	holds    atomic.Int32
	voids    atomic.Int32
}

func (g *gateway) Hold(ctx context.Context, r pay.Reservation) (string, error) {
	if g.meets != nil {
		goOn := make(chan struct{})
		g.meets <- goOn
		<-goOn
	}
	if g.declines.Load() {
		return "", pay.ErrDeclined
	}
	g.holds.Add(1)
	return g.Sandbox.Hold(ctx, r)
}

func (g *gateway) Void(ctx context.Context, key string, r pay.Reservation, ref string) error {
	g.voids.Add(1)
	return g.Sandbox.Void(ctx, key, r, ref)
}
