package notify

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/fault"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
	"github.com/spotpool/spotpool/internal/money"
)

// world is a notification service in a world of one ride.
type world struct {
	*Service
	queue *jobstest.Harness
	clock *clock.Fake
	ride  Ride
	leave time.Time   // when theTrip departs, zero: at the ride's pickup
	idle  bool        // whether no worker runs
	party []Ride      // the other orders of which Rides knows
	share []uuid.UUID // the riders of the same car's other orders
	sent  phone       // of the first provider
	other phone       // of the second
	noSMS map[uuid.UUID]bool

	people map[uuid.UUID]Contact // how they are reached who are not reached as usual

	metrics *prometheus.Registry // nil, or of the SMS

	charged money.Amount // of the ride
	owes    bool         // whether it could not be taken

	upcoming [][]uuid.UUID // the riders of each page of a broadcast
	asked    chan int      // nil, or told which page is asked for before it is answered
	goOn     chan error    // the answer's error, when asked is not nil
}

func (w *world) Ride(_ context.Context, order uuid.UUID) (Ride, error) {
	if order != w.ride.OrderID {
		return Ride{}, fault.New(fault.NotFound, "order_not_found", "no such order")
	}
	return w.ride, nil
}

// Rides knows w.ride and those of w.party.
func (w *world) Rides(_ context.Context, orders ...uuid.UUID) (found []Ride, err error) {
	for _, r := range append([]Ride{w.ride}, w.party...) {
		if slices.Contains(orders, r.OrderID) {
			found = append(found, r)
		}
	}
	return found, nil
}

func (w *world) Sharing(context.Context, uuid.UUID) ([]uuid.UUID, error) { return w.share, nil }

// Contacts gives everybody a number of their own, unless w.people says otherwise.
func (w *world) Contacts(_ context.Context, users ...uuid.UUID) (map[uuid.UUID]Contact, error) {
	found := map[uuid.UUID]Contact{}
	for _, user := range users {
		to, known := w.people[user]
		if !known {
			to.Phone = number(user)
		}
		to.NoSMS = to.NoSMS || w.noSMS[user]
		found[user] = to
	}
	return found, nil
}

func number(user uuid.UUID) string { return "+86 " + user.String() }

// Figures knows the statement of one driver, the ride's.
func (w *world) Figures(_ context.Context, driver uuid.UUID, _ clock.Day) (int, money.Amount, money.Amount, error) {
	if driver != w.ride.DriverID {
		return 0, 0, 0, fault.New(fault.NotFound, "statement_not_found", "no such statement")
	}
	return 7, 12345, 9876, nil
}

// Charged tells what of a hold of 20.00 was charged.
func (w *world) Charged(context.Context, uuid.UUID) (money.Amount, money.Amount, bool, error) {
	return 2000, w.charged, !w.owes, nil
}

// Earned knows one settlement, that of theTrip.
func (w *world) Earned(_ context.Context, id uuid.UUID) (money.Amount, money.Amount, money.Amount, error) {
	if id != theTrip {
		return 0, 0, 0, fault.New(fault.NotFound, "settlement_not_found", "no such settlement")
	}
	return 1001, 200, 801, nil
}

// Upcoming answers with the pages of w.upcoming; their orders are numbered ids.
func (w *world) Upcoming(ctx context.Context, _ Area, after uuid.UUID, _ int) (riders []uuid.UUID, last uuid.UUID, err error) {
	page := int(after[15])
	if w.asked != nil {
		w.asked <- page
		if err := <-w.goOn; err != nil {
			return nil, uuid.Nil, err
		}
	}
	if page < len(w.upcoming)-1 {
		last[15] = byte(page + 1)
	}
	return w.upcoming[page], last, nil
}

func (w *world) UpcomingCount(context.Context, Area) (int, error) {
	return len(w.upcoming) * pageSize, nil
}

// A driver moves a rider from one trip to another: everyone is told once, and of a
// change that is not the last one only who drove before.
func TestAMoveIsToldOnce(t *testing.T) {
	w := newWorld(t)
	w.ride.Round = 2
	old := MovedFrom(theTrip, w.ride.OrderID, 1)
	w.run(old, old)
	if got := w.inbox(t, w.ride.RiderID); got != nil {
		t.Errorf("the rider was told %v of a move that was followed by another", got)
	}
	if got := w.inbox(t, w.ride.DriverID); !slices.Equal(got, []Event{Left}) {
		t.Errorf("the driver was told %v", got)
	}
	now := MovedFrom(theTrip, w.ride.OrderID, 2)
	w.run(now, now)
	for _, c := range []struct {
		who  uuid.UUID
		want []Event
	}{{w.ride.RiderID, []Event{Moved}}, {w.share[0], []Event{Joined}}, {w.ride.DriverID, []Event{Left, Left, Matched}}} {
		got := w.inbox(t, c.who)
		slices.Sort(got)
		if !slices.Equal(got, c.want) {
			t.Errorf("told %v, want %v", got, c.want)
		}
	}
	jobstest.AssertKindCount(t, w.queue, smsKind.Name, 4) // all but the co-riders'
}

// phone is a Texter that keeps what it is given.
type phone struct {
	mu    sync.Mutex
	texts []string // "number: text"
	keys  []string
	again []bool
	out   error // of the provider

	refuse map[string]error // by number
	calls  int
}

func (p *phone) Text(_ context.Context, m SMS) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.again = append(p.again, m.Again)
	if p.calls++; p.out != nil {
		return p.out
	}
	if err := p.refuse[m.Phone]; err != nil {
		return err
	}
	p.texts = append(p.texts, m.Phone+": "+m.Text)
	p.keys = append(p.keys, m.Key)
	return nil
}

// fail has the provider answer every message with err, nil for none.
func (p *phone) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.out = err
}

// made returns how often the provider was called.
func (p *phone) made() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls
}

// to returns the texts that a person got.
func (p *phone) to(user uuid.UUID) (texts []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, line := range p.texts {
		if text, ok := strings.CutPrefix(line, number(user)+": "); ok {
			texts = append(texts, text)
		}
	}
	return texts
}

// newWorld returns a world with one provider of SMS, which takes any number, unless
// change says otherwise.
func newWorld(t *testing.T, change ...func(w *world, d *Deps)) *world {
	t.Helper()
	h := jobstest.New(t)
	w := &world{
		queue: h,
		clock: clock.NewFake(time.Date(2026, 5, 4, 8, 0, 0, 0, time.UTC)),
		ride: Ride{
			OrderID: uuid.New(), RiderID: uuid.New(), TripID: theTrip, DriverID: uuid.New(), Seated: true, Shared: true, PickupAt: time.Date(2026, 5, 4, 9, 0, 0, 0, time.UTC),
			Origin: "A", Dest: "B",
		},
		share: []uuid.UUID{uuid.New(), uuid.New()}, noSMS: map[uuid.UUID]bool{}, people: map[uuid.UUID]Contact{},
	}
	deps := Deps{
		DB: h.DB, Jobs: h.Client, Limiter: jobs.NewLimiter(h.System.Redis(), w.clock), Rides: w, Statements: w, People: w,
		SMS: []Provider{{"first", &w.sent}}, Hub: NewHub(h.System.Redis(), slog.New(slog.DiscardHandler)), Box: jobstest.Box(t),
		Clock: w.clock, Zone: time.UTC,
	}
	for _, f := range change {
		f(w, &deps)
	}
	w.Service = New(deps)
	w.Register(h.Registry)
	if !w.idle {
		h.Work("notify", "sms")
	}
	return w
}

// run runs the jobs one after another.
func (w *world) run(js ...jobs.Job) {
	stages := make([]jobs.Stage, len(js))
	for i, j := range js {
		stages[i] = j
	}
	w.queue.AwaitFlow(w.queue.Start(jobs.Chain(stages...)), "done")
}

// tell runs the flow that tells of an event of a trip, and its callbacks, to the end.
func (w *world) tell(e TripEvent) {
	w.start(e)
	w.queue.AwaitFlow(NewsOf(e.Trip), "done")
	w.closed(e)
}

// closed waits for the callback that ends the telling of an event.
func (w *world) closed(e TripEvent) {
	w.queue.Await("the notices of "+string(e.Event)+" to be closed", func() bool {
		var n int
		err := w.deps.DB.Read(context.Background()).Raw("SELECT COUNT(*) FROM jobs WHERE kind LIKE 'notify:%' AND kind <> 'notify:sms' AND state = 'ready'").Scan(&n).Error
		return err == nil && n == 0 && w.queue.Events()["notify:close done"] > 0
	})
}

func (w *world) start(e TripEvent) {
	b := e.Spread()
	err := w.deps.DB.Tx(context.Background(), func(tx *db.Tx) error {
		_, err := w.queue.Client.Start(tx, b.Subject, b.Flow)
		return err
	})
	if err != nil {
		panic(err)
	}
}

func (w *world) inbox(t *testing.T, user uuid.UUID) (events []Event) {
	t.Helper()
	found, err := w.Inbox(t.Context(), user, uuid.Nil, 50)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range found {
		events = append(events, n.Event)
	}
	return events
}

func TestEveryoneInTheCarIsTold(t *testing.T) {
	w := newWorld(t)
	order, rider, driver, others := w.ride.OrderID, w.ride.RiderID, w.ride.DriverID, w.share
	live, end := w.deps.Hub.Subscribe(UserTopic(others[1]))
	defer end()

	tell := []jobs.Job{Rider(order, Matched), Driver(order, Matched), Others(order, Joined)}
	w.run(tell...)
	wantHint(t, live)
	w.run(tell...) // everyone knows
	wantNoHint(t, live)
	for user, want := range map[uuid.UUID]Event{rider: Matched, driver: Matched, others[0]: Joined, others[1]: Joined} {
		if got := w.inbox(t, user); !slices.Equal(got, []Event{want}) {
			t.Errorf("inbox has %v, want one %s", got, want)
		}
	}
	w.queue.Await("an SMS to rider and driver", func() bool {
		return len(w.sent.to(rider)) == 1 && len(w.sent.to(driver)) == 1
	})
	jobstest.AssertKindCount(t, w.queue, smsKind.Name, 2)
}

func TestNobodyToTell(t *testing.T) {
	w := newWorld(t)
	w.ride.DriverID = uuid.Nil
	w.run(Driver(w.ride.OrderID, Cancelled))
	if got := w.inbox(t, uuid.Nil); len(got) != 0 {
		t.Errorf("nobody's inbox has %v", got)
	}
}

func TestSMSOverTheLimitComesLater(t *testing.T) {
	w := newWorld(t)
	rider := w.ride.RiderID
	expires := w.clock.Now().Add(5 * time.Minute)
	w.run(Code(rider, "111111", expires))

	late := w.queue.Start(jobs.Chain(Code(rider, "222222", expires)))
	w.queue.Await("the second SMS to wait", func() bool { return w.queue.Events()["notify:code released"] == 1 })
	w.run(Code(w.ride.DriverID, "333333", expires)) // another number is free

	w.clock.Advance(time.Minute)
	w.wake(t, late)
	v := w.queue.AwaitFlow(late, "done")
	if n := v.Stages[0].Jobs[0].Attempts; n != 0 {
		t.Errorf("waiting counted as %d failed attempts", n)
	}
	want := []string{"111111 is your Spotpool sign-in code.", "222222 is your Spotpool sign-in code."}
	if got := w.sent.to(rider); !slices.Equal(got, want) {
		t.Errorf("the rider got %q", got)
	}
	if w.sent.keys[0] == w.sent.keys[2] || w.sent.keys[0] == "" {
		t.Errorf("idempotency keys %q", w.sent.keys)
	}
}

func (w *world) wake(t *testing.T, flow uuid.UUID) {
	t.Helper()
	if n, err := w.queue.Client.Wake(t.Context(), flow); err != nil || n != 1 {
		t.Fatalf("woke %d, %v", n, err)
	}
}

func TestTheProviderHasALimitOfItsOwn(t *testing.T) {
	w := newWorld(t, func(_ *world, d *Deps) { d.SMSPerSecond = 1 })
	expires := w.clock.Now().Add(5 * time.Minute)
	w.run(Code(w.ride.RiderID, "111111", expires))
	driver := w.queue.Start(jobs.Chain(Code(w.ride.DriverID, "222222", expires)))
	w.queue.Await("the second SMS to wait", func() bool { return w.queue.Events()["notify:code released"] == 1 })
	w.clock.Advance(time.Second)
	w.wake(t, driver)
	w.queue.AwaitFlow(driver, "done")
	if got := w.sent.to(w.ride.DriverID); len(got) != 1 {
		t.Errorf("the driver got %q", got)
	}
}

func TestALateCodeIsDropped(t *testing.T) {
	w := newWorld(t)
	rider := w.ride.RiderID
	w.run(Code(rider, "111111", w.clock.Now()))
	if got := w.sent.to(rider); len(got) != 0 {
		t.Errorf("the rider got %q", got)
	}
	w.run(Code(rider, "222222", w.clock.Now().Add(time.Second))) // the dropped one cost nothing
	if got := w.sent.to(rider); len(got) != 1 {
		t.Errorf("the rider got %q", got)
	}
}

func TestCodesAreSealedAtRest(t *testing.T) {
	w := newWorld(t)
	w.run(Code(w.ride.RiderID, "123456", w.clock.Now().Add(time.Minute)))
	var args []string
	if err := w.deps.DB.Read(t.Context()).Raw("SELECT args FROM jobs").Scan(&args).Error; err != nil {
		t.Fatal(err)
	}
	if len(args) != 1 || strings.Contains(args[0], "123456") {
		t.Errorf("stored %q", args)
	}
}

func TestInboxPagesAndSince(t *testing.T) {
	w := newWorld(t)
	user := uuid.New()
	var ids []uuid.UUID
	for i := range 5 {
		n := Notice{ID: uuid.Must(uuid.NewV7()), UserID: user, AboutID: uuid.New(), Event: Expired, CreatedAt: w.clock.Now()}
		if i == 3 {
			n.SMS = Delivered
		}
		ids = append(ids, n.ID)
		err := w.deps.DB.Tx(t.Context(), func(tx *db.Tx) error {
			_, err := insert(tx, []Notice{n})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if events, sms, err := w.Tally(t.Context()); events[Expired] != 5 || len(events) != 1 || sms[Delivered] != 1 || len(sms) != 1 || err != nil {
		t.Errorf("%v, %v, %v", events, sms, err)
	}
	page := func(found []Notice, err error) (got []uuid.UUID) {
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range found {
			got = append(got, n.ID)
		}
		return got
	}
	ctx := t.Context()
	tests := []struct {
		name      string
		got, want []uuid.UUID
	}{
		{"first page", page(w.Inbox(ctx, user, uuid.Nil, 2)), []uuid.UUID{ids[4], ids[3]}},
		{"second page", page(w.Inbox(ctx, user, ids[3], 2)), []uuid.UUID{ids[2], ids[1]}},
		{"last page", page(w.Inbox(ctx, user, ids[1], 2)), []uuid.UUID{ids[0]}},
		{"since the third", page(w.Since(ctx, user, ids[2])), []uuid.UUID{ids[3], ids[4]}},
		{"since ever", page(w.Since(ctx, user, uuid.Nil)), ids},
		{"since the last", page(w.Since(ctx, user, ids[4])), nil},
		{"of another", page(w.Since(ctx, uuid.New(), uuid.Nil)), nil},
	}
	for _, tt := range tests {
		if !slices.Equal(tt.got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, tt.got, tt.want)
		}
	}
}
