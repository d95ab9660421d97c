package notify

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/jobs"
)

var errNobody = errors.New("connection refused")

// soon returns a time at which a code sent now would expire.
func (w *world) soon() time.Time { return w.clock.Now().Add(5 * time.Minute) }

// notify starts the job of an SMS about a notice and returns its flow.
func (w *world) notify(t *testing.T, user uuid.UUID, text string) uuid.UUID {
	t.Helper()
	n := Notice{ID: uuid.Must(uuid.NewV7()), UserID: user, AboutID: uuid.New(), Event: Matched, Text: text, CreatedAt: w.clock.Now()}
	if err := w.deps.DB.Tx(t.Context(), func(tx *db.Tx) error { return tx.Create(&n).Error }); err != nil {
		t.Fatal(err)
	}
	return w.queue.Start(jobs.Chain(smsKind.New(smsArgs{Notice: n.ID, User: user})))
}

// fates counts what became of the SMS.
func (w *world) fates(t *testing.T) map[Fate]int {
	t.Helper()
	var all []Notice
	if err := w.deps.DB.Read(t.Context()).Find(&all).Error; err != nil {
		t.Fatal(err)
	}
	found := map[Fate]int{}
	for _, n := range all {
		found[n.SMS]++
	}
	return found
}

// only returns the one job of a flow, whose state is not the flow's.
func (w *world) only(flow uuid.UUID) jobs.JobView { return w.queue.Flow(flow).Stages[0].Jobs[0] }

// open has the first provider fail until its breaker is open.
func (w *world) open() {
	w.sent.fail(errNobody)
	for range providerErrors {
		w.queue.Start(jobs.Chain(Code(uuid.New(), "000000", w.soon())))
	}
	w.queue.Await("the breaker to open", func() bool { return w.queue.Events()["notify:code retried"] >= providerErrors })
}

// withSecond gives a world a second provider, and metrics.
func withSecond(w *world, d *Deps) {
	d.SMS = append(d.SMS, Provider{"second", &w.other})
	w.metered(d)
}

// metered gives a world metrics.
func (w *world) metered(d *Deps) {
	w.metrics = prometheus.NewRegistry()
	d.Metrics = NewMetrics(w.metrics)
}

// counted returns the value of the counter with the labels' values, in the order of their names.
func (w *world) counted(t *testing.T, name string, labels ...string) (n float64) {
	t.Helper()
	families, err := w.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var values []string
			for _, l := range m.GetLabel() {
				values = append(values, l.GetValue())
			}
			if f.GetName() == name && slices.Equal(values, labels) {
				n = m.GetCounter().GetValue()
			}
		}
	}
	return n
}

// A provider that is out is left alone: messages wait without an attempt.
func TestAProviderThatIsOutIsLeftAlone(t *testing.T) {
	w := newWorld(t)
	w.open()
	before := w.sent.made()
	waits := w.notify(t, w.ride.RiderID, "hello")
	w.queue.Await("the message to wait", func() bool { return w.queue.Events()["notify:sms released"] == 1 })
	if job := w.only(waits); w.sent.made() != before || job.Attempts != 0 || job.State != "ready" {
		t.Errorf("%d calls while the breaker was open; %+v", w.sent.made()-before, job)
	}
}

// The second provider is asked only while the first one is left alone.
func TestTheSecondProviderTakesOver(t *testing.T) {
	w := newWorld(t, withSecond)
	w.run(Code(w.ride.RiderID, "111111", w.soon()))
	if len(w.sent.to(w.ride.RiderID)) != 1 || w.other.made() != 0 {
		t.Fatal("the first provider is not the first that is asked")
	}
	w.open()
	w.queue.AwaitFlow(w.notify(t, w.ride.DriverID, "hello"), "done")
	if got := w.other.to(w.ride.DriverID); len(got) != 1 || got[0] != "hello" {
		t.Errorf("the second sent %q", got)
	}
	if n := w.counted(t, "spotpool_sms_total", "second", "sent"); n < 1 {
		t.Errorf("%v counted of the second", n)
	}
	if n := w.counted(t, "spotpool_sms_total", "first", "retried"); n != providerErrors {
		t.Errorf("%v errors counted of the first, want %d", n, providerErrors)
	}
}

// What the first provider may have sent, the second does not send in the same attempt.
func TestAnErrorIsNotHandedOn(t *testing.T) {
	w := newWorld(t, withSecond)
	w.sent.fail(errors.New("no answer in time"))
	flow := w.notify(t, w.ride.RiderID, "hello")
	w.queue.Await("the attempt to fail", func() bool { return w.queue.Events()["notify:sms retried"] >= 1 })
	if w.other.made() != 0 {
		t.Error("the second provider was asked too")
	}
	if job := w.only(flow); job.Attempts < 1 {
		t.Errorf("no attempt was used: %+v", job)
	}
}

// With both out, messages wait without an attempt.
func TestAllProvidersMayBeOut(t *testing.T) {
	w := newWorld(t, withSecond)
	w.other.fail(errNobody)
	w.open()
	for range providerErrors {
		w.queue.Start(jobs.Chain(Code(uuid.New(), "000000", w.soon())))
	}
	w.queue.Await("the second breaker to open", func() bool { return w.other.made() >= providerErrors })
	waits := w.notify(t, w.ride.RiderID, "hello")
	w.queue.Await("the message to wait", func() bool { return w.queue.Events()["notify:sms released"] == 1 })
	if job := w.only(waits); job.Attempts != 0 || job.State != "ready" {
		t.Errorf("waiting cost an attempt: %+v", job)
	}
}

// To refuse a message is an answer: it fails at once, and the breaker stays closed.
func TestARefusedMessageFailsAtOnce(t *testing.T) {
	w := newWorld(t, withSecond)
	wire := newWire("first", w.clock)
	w.sent.fail(wire.refusal(unreachable, "21211", 0))
	for range 2 * providerErrors {
		flow := w.notify(t, uuid.New(), "hello")
		if v := w.queue.AwaitFlow(flow, "failed"); v.Cause != "sms_number_invalid" || v.Stages[0].Jobs[0].Attempts != 1 {
			t.Fatalf("%+v", v)
		}
	}
	if w.other.made() != 0 {
		t.Error("the second provider was asked")
	}
	w.sent.fail(wire.refusal(busy, "429", time.Hour))
	flow := w.notify(t, uuid.New(), "hello")
	w.queue.Await("the message to wait", func() bool { return w.queue.Events()["notify:sms released"] == 1 })
	if job := w.only(flow); job.Attempts != 0 || time.Until(*job.DueAt) < 59*time.Minute {
		t.Errorf("%+v, want it in an hour and no attempt used", job)
	}
}

// Over the budget of a day, notices get no SMS and codes do.
func TestTheDaysBudgetIsForNotices(t *testing.T) {
	w := newWorld(t, func(w *world, d *Deps) {
		d.SMSPerDay = 2
		w.metered(d)
	})
	w.sent.fail(jobs.Fail(errNobody)) // costs nothing
	w.queue.AwaitFlow(w.notify(t, uuid.New(), "no"), "failed")
	w.sent.fail(nil)
	w.run(Code(uuid.New(), "111111", w.soon()))
	w.queue.AwaitFlow(w.notify(t, w.ride.RiderID, "yes"), "done")
	w.queue.AwaitFlow(w.notify(t, w.ride.DriverID, "over"), "done")
	if got := w.sent.to(w.ride.DriverID); len(got) != 0 || len(w.sent.to(w.ride.RiderID)) != 1 {
		t.Errorf("sent %q to who came last", got)
	}
	if got := w.fates(t); got[OverBudget] != 1 || got[Delivered] != 1 || got[Undelivered] != 1 {
		t.Errorf("fates %v", got)
	}
	if n := w.counted(t, "spotpool_sms_skipped_total", "over_budget"); n != 1 {
		t.Errorf("%v counted", n)
	}
	w.run(Code(w.ride.DriverID, "222222", w.soon()))
	if got := w.sent.to(w.ride.DriverID); len(got) != 1 {
		t.Errorf("over the budget, a code is %q", got)
	}
	w.clock.Advance(24 * time.Hour)
	w.queue.AwaitFlow(w.notify(t, w.ride.DriverID, "tomorrow"), "done")
	if got := w.sent.to(w.ride.DriverID); len(got) != 2 {
		t.Errorf("a day later sent %q", got)
	}
}

// Who wants no SMS gets codes only, and what is not sent costs the number nothing.
func TestWhoWantsNoSMSGetsCodesOnly(t *testing.T) {
	w := newWorld(t)
	rider := w.ride.RiderID
	w.noSMS[rider] = true
	w.queue.AwaitFlow(w.notify(t, rider, "hello"), "done")
	w.run(Code(rider, "111111", w.soon()))
	if got := w.sent.to(rider); len(got) != 1 || !strings.HasPrefix(got[0], "111111") {
		t.Errorf("the rider got %q", got)
	}
}

// Only an attempt after a failed one asks what was sent.
func TestAnAttemptSaysWhetherItIsTheFirst(t *testing.T) {
	w := newWorld(t)
	w.sent.fail(errNobody)
	flow := w.queue.Start(jobs.Chain(Code(w.ride.RiderID, "111111", w.soon())))
	w.queue.Await("the attempt to fail", func() bool { return w.queue.Events()["notify:code retried"] == 1 })
	w.sent.fail(nil)
	w.clock.Advance(time.Minute) // the number's next
	w.wake(t, flow)
	w.queue.AwaitFlow(flow, "done")
	w.sent.mu.Lock()
	defer w.sent.mu.Unlock()
	if got := w.sent.again; len(got) != 2 || got[0] || !got[1] {
		t.Errorf("again %v, want false and true", got)
	}
}
