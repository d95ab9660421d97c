package httpapi

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/account"
	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/notify"
	"github.com/spotpool/spotpool/internal/order"
	"github.com/spotpool/spotpool/internal/pay"
	"github.com/spotpool/spotpool/internal/trip"
)

// inbox returns the events of u's notices, newest first.
func (w *world) inbox(u user) (events []notify.Event) {
	w.t.Helper()
	for _, n := range into[pageOut[noticeOut]](w.do(u, "GET", "/v1/notifications", nil).is(http.StatusOK)).Items {
		events = append(events, n.Event)
	}
	return events
}

// flowText is what an order's flow says it does.
const flowText = "match:find_trip → pay:hold → order:confirm, or else order:give_up"

// stages returns the stages of a flow as "branch state kind kind".
func stages(f *flowOut) (lines []string) {
	for _, s := range f.Stages {
		line := s.Branch + " " + s.State
		for _, j := range s.Jobs {
			line += " " + j.Kind
		}
		lines = append(lines, line)
	}
	return lines
}

func TestRideIsOrderedAndConfirmed(t *testing.T) {
	w := newWorld(t)
	w.run()
	driver, rider, second := w.user(account.Driver), w.user(account.Rider), w.user(account.Rider)

	offered := w.do(driver, "POST", "/v1/trips", tripBody()).is(http.StatusCreated)
	tr := into[tripOut](offered)
	if got := offered.Header().Get("Location"); got != "/v1/trips/"+tr.ID.String() {
		t.Errorf("the trip is at %q", got)
	}
	if tr.Status != trip.Open || tr.SeatsLeft != 3 || tr.DriverID != driver.ID || len(tr.Plan) != 0 || *tr.MaxDetourMinutes != 15 || tr.Version != 1 {
		t.Errorf("offered %+v", tr)
	}

	accepted := w.do(rider, "POST", "/v1/orders", with(orderBody(), "seats", 2)).is(http.StatusAccepted)
	o := into[orderOut](accepted)
	if got := accepted.Header().Get("Location"); got != "/v1/orders/"+o.ID.String() {
		t.Errorf("the order is at %q", got)
	}
	if o.Status != order.Matching || o.Payment != pay.None || o.TripID != nil || o.RiderID != rider.ID || o.Seats != 2 {
		t.Errorf("accepted %+v", o)
	}
	if q := into[quoteOut](w.do(rider, "POST", "/v1/quotes", with(orderBody(), "seats", 2)).is(http.StatusOK)); q.Fare != o.Fare || q.Pooled != o.FarePooled || q.Pooled.Amount >= q.Fare.Amount || q.DistanceM != o.DistanceM || q.DurationS != o.DurationS {
		t.Errorf("quoted %+v, ordered %+v", q, o)
	}

	o = w.confirmed(rider, o)
	if o.Payment != pay.Held || o.TripID == nil || *o.TripID != tr.ID || o.ConfirmedAt == nil || o.MatchedAt == nil {
		t.Errorf("confirmed %+v", o)
	}
	if o.PickupAt == nil || o.DropoffAt == nil || *o.PickupAt >= *o.DropoffAt {
		t.Errorf("picked up at %v, dropped off at %v", o.PickupAt, o.DropoffAt)
	}
	if o.Flow.Text != flowText || o.Flow.Cause != "" {
		t.Errorf("the flow %q because of %q", o.Flow.Text, o.Flow.Cause)
	}
	want := []string{
		"main done match:find_trip", "main done pay:hold", "main done order:confirm",
		"catch waiting order:give_up",
	}
	if got := stages(o.Flow); !slices.Equal(got, want) {
		t.Errorf("stages\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}

	joined := w.confirmed(second, w.order(second))
	tr = w.seeTrip(driver, tr)
	if tr.SeatsLeft != 0 || len(tr.Plan) != 4 || tr.Version != 3 {
		t.Errorf("after two orders %+v", tr)
	}
	if len(tr.Riders) != 2 || !slices.ContainsFunc(tr.Riders, func(r riderOut) bool {
		return r.OrderID == o.ID && r.RiderID == rider.ID && r.Seats == 2 && r.Status == order.Confirmed
	}) {
		t.Errorf("riders %+v", tr.Riders)
	}
	for _, stop := range tr.Plan {
		if stop.OrderID != o.ID && stop.OrderID != joined.ID {
			t.Errorf("a stop of %s", stop.OrderID)
		}
	}

	if got := w.inbox(rider); !slices.Equal(got, []notify.Event{notify.Joined, notify.Matched}) {
		t.Errorf("the first rider was told %v", got)
	}
	if got := w.inbox(second); !slices.Equal(got, []notify.Event{notify.Matched}) {
		t.Errorf("the second rider was told %v", got)
	}
	if got := w.inbox(driver); !slices.Equal(got, []notify.Event{notify.Matched, notify.Matched}) {
		t.Errorf("the driver was told %v", got)
	}
	for _, n := range into[pageOut[noticeOut]](w.do(rider, "GET", "/v1/notifications", nil)).Items {
		if named := n.OrderID != nil; named == (n.Event == notify.Joined) {
			t.Errorf("the notice %s names the order %v", n.Event, n.OrderID)
		}
	}
}

func TestTripWakesTheOrdersThatWait(t *testing.T) {
	w := newWorld(t)
	w.run()
	driver, rider := w.user(account.Driver), w.user(account.Rider)
	due := func(o orderOut) string { return *o.Flow.Stages[0].Jobs[0].DueAt }
	o := w.awaitOrder(rider, w.order(rider), "put off", func(o orderOut) bool { return due(o) > stamp(time.Now().Add(time.Second)) })
	w.offer(driver)
	if confirmed := w.confirmed(rider, o); *confirmed.MatchedAt >= due(o) {
		t.Errorf("matched at %s: it was not woken before %s", *confirmed.MatchedAt, due(o))
	}
}

// A driver who does not say when sets out in ten minutes.
func TestATripDepartsSoonUnlessItIsSaid(t *testing.T) {
	now := clock.NewFake(time.Now())
	w := newWorld(t, func(d *Deps) { d.Clock = now })
	for _, body := range []object{without(tripBody(), "depart_at"), with(tripBody(), "depart_at", nil)} {
		tr := into[tripOut](w.do(w.user(account.Driver), "POST", "/v1/trips", body).is(http.StatusCreated))
		if want := stamp(now.Now().Add(10 * time.Minute)); tr.DepartAt != want {
			t.Errorf("departs at %s, want %s", tr.DepartAt, want)
		}
	}
}

// A taxi takes who waits for it, and has nowhere to go but where they go.
func TestTaxi(t *testing.T) {
	w := newWorld(t)
	w.run()
	driver, rider := w.user(account.Driver), w.user(account.Rider)
	o := w.order(rider)
	w.awaitOrder(rider, o, "put off", func(o orderOut) bool {
		return *o.Flow.Stages[0].Jobs[0].DueAt > stamp(time.Now().Add(time.Second))
	})
	tr := into[tripOut](w.do(driver, "POST", "/v1/trips", without(tripBody(), "destination")).is(http.StatusCreated))
	if tr.Destination != nil || tr.MaxDetourMinutes != nil || tr.ArriveAt != tr.DepartAt {
		t.Errorf("offered %+v", tr)
	}
	w.confirmed(rider, o)
	tr = w.seeTrip(driver, tr)
	if len(tr.Plan) != 2 || tr.ArriveAt != tr.Plan[1].At || tr.Destination != nil {
		t.Errorf("with a rider %+v", tr)
	}
	off := into[tripOut](w.do(driver, "POST", "/v1/trips/"+tr.ID.String()+"/cancel", nil).is(http.StatusOK))
	if off.Status != trip.Cancelled || off.Destination != nil {
		t.Errorf("called off %+v", off)
	}
}

func TestWaitingOrderIsCancelled(t *testing.T) {
	w := newWorld(t)
	rider := w.user(account.Rider)
	o := w.order(rider)
	cancelled := into[orderOut](w.do(rider, "POST", "/v1/orders/"+o.ID.String()+"/cancel", nil).is(http.StatusOK))
	if cancelled.Status != order.Cancelled || cancelled.Reason != order.ReasonRider || cancelled.Payment != pay.None {
		t.Errorf("cancelled %+v", cancelled)
	}
	again := into[orderOut](w.do(rider, "POST", "/v1/orders/"+o.ID.String()+"/cancel", object{}).is(http.StatusOK))
	if again.Status != order.Cancelled || again.Reason != order.ReasonRider {
		t.Errorf("cancelled again %+v", again)
	}
	w.run()
	o = w.awaitOrder(rider, o, "undone", func(o orderOut) bool { return o.Flow.State == "cancelled" })
	if o.Payment != pay.None || o.TripID != nil || o.Flow.Cause != "cancelled" {
		t.Errorf("undone %+v", o)
	}
	w.Await("the rider is told", func() bool { return slices.Contains(w.inbox(rider), notify.Cancelled) })
	if got := w.inbox(rider); len(got) != 1 {
		t.Errorf("told %v", got)
	}
}

func TestConfirmedOrderIsCancelled(t *testing.T) {
	w := newWorld(t)
	w.run()
	driver, rider := w.user(account.Driver), w.user(account.Rider)
	operator := w.user(account.Operator)
	tr := w.offer(driver)
	for _, by := range []user{rider, operator} {
		o := w.confirmed(rider, w.order(rider))
		if left := w.seeTrip(driver, tr).SeatsLeft; left != 2 {
			t.Fatalf("%d seats left before", left)
		}
		now := into[orderOut](w.do(by, "POST", "/v1/orders/"+o.ID.String()+"/cancel", nil).is(http.StatusOK))
		if now.Status != order.Cancelled || now.Payment != pay.Held {
			t.Errorf("cancelled %+v", now)
		}
		o = w.awaitOrder(rider, o, "voided", func(o orderOut) bool { return o.Payment == pay.Voided })
		if o.Status != order.Cancelled || o.Flow.State != "cancelled" {
			t.Errorf("voided %+v", o)
		}
		w.Await("the seat is free", func() bool { return w.seeTrip(driver, tr).SeatsLeft == 3 })
		if after := w.seeTrip(driver, tr); len(after.Plan) != 0 || len(after.Riders) != 0 {
			t.Errorf("left on the trip: %+v", after)
		}
		if got := w.do(rider, "GET", "/v1/trips/"+tr.ID.String(), nil); got.Code != http.StatusNotFound {
			t.Errorf("the rider still sees the trip: %d", got.Code)
		}
	}
	w.Await("the driver is told", func() bool {
		return slices.Contains(w.inbox(driver), notify.Cancelled) && slices.Contains(w.inbox(rider), notify.Cancelled)
	})
}

func TestDeclinedOrderGivesItsSeatBack(t *testing.T) {
	w := newWorld(t)
	w.gateway.declines.Store(true)
	w.run()
	driver, rider := w.user(account.Driver), w.user(account.Rider)
	tr := w.offer(driver)
	o := w.awaitOrder(rider, w.order(rider), "declined", func(o orderOut) bool { return o.Flow.State == "failed" })
	if o.Status != order.Cancelled || o.Reason != "payment_declined" || o.Flow.Cause != "payment_declined" || o.Payment != pay.None {
		t.Errorf("declined %+v", o)
	}
	if job := o.Flow.Stages[1].Jobs[0]; job.Kind != "pay:hold" || job.State != "failed" || job.Attempts != 1 || !strings.Contains(job.LastError, "declined") {
		t.Errorf("the job that failed: %+v", job)
	}
	if left := w.seeTrip(driver, tr).SeatsLeft; left != 3 {
		t.Errorf("%d seats left", left)
	}
	w.Await("the rider is told", func() bool { return slices.Contains(w.inbox(rider), notify.Declined) })
}

func TestExpiredOrderCannotBeCancelled(t *testing.T) {
	w := newWorld(t)
	rider := w.user(account.Rider)
	o := w.order(rider)
	err := w.DB.Tx(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Change("UPDATE jobs SET retry_until = created_at WHERE kind = 'match:find_trip'")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	w.run()
	o = w.awaitOrder(rider, o, "expired", func(o orderOut) bool { return o.Status == order.Expired && o.Flow.State == "failed" })
	if o.Reason != order.ReasonNoTrip || o.Payment != pay.None || o.Flow.Cause != "deadline_passed" {
		t.Errorf("expired %+v", o)
	}
	w.do(rider, "POST", "/v1/orders/"+o.ID.String()+"/cancel", nil, header{"Idempotency-Key": uuid.NewString()}).
		refused(http.StatusConflict, "order_not_cancellable")
	w.Await("the rider is told", func() bool { return slices.Contains(w.inbox(rider), notify.Expired) })
}
