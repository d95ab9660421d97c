package pay

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/fault"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/pay/paytest"
)

// A command that the gateway decides later keeps its job waiting, until a webhook
// wakes it: no time passes here.
func TestWebhooksWakeWhatWaits(t *testing.T) {
	t.Run("held", func(t *testing.T) {
		x := newTill(t)
		x.gateway.Set(paytest.Later)
		order := open(t, x.Service, 900)
		x.start(order, holdFlow(order))
		x.is(order, None)
		x.ends(order, "running", "")
		x.gateway.Decide(holdPosting(order), true)
		x.books(900, 0)
		x.ends(order, "done", "")
		x.wantNote("hold.done", "woken")
	})
	t.Run("declined", func(t *testing.T) {
		x := newTill(t)
		x.gateway.Set(paytest.Later)
		order := open(t, x.Service, 900)
		x.start(order, jobs.Chain(Hold(order)))
		x.gateway.Decide(holdPosting(order), false)
		x.books(0, 0)
		x.ends(order, "failed", "payment_declined")
	})
	t.Run("captured, and declined", func(t *testing.T) {
		x := newTill(t)
		b := Bill{ID: uuid.Must(uuid.NewV7()), Driver: uuid.Must(uuid.NewV7()), Departs: departs, Charges: []Charge{{x.held(), 600}, {x.held(), 500}}}
		x.gateway.Set(paytest.Later)
		x.start(b.ID, captureAndShare(b))
		x.ends(b.ID, "running", "")
		x.gateway.Decide(capturePosting(b.Charges[0].Order), true)
		x.queue.Drain()
		x.gateway.Decide(capturePosting(b.Charges[1].Order), false)
		x.queue.Drain()
		x.is(b.Charges[0].Order, Captured)
		x.is(b.Charges[1].Order, Owed)
		x.ends(b.ID, "done", "")
		wantClean(t, x.Service)

		x.start(b.ID, pays(b))
		x.gateway.Decide(payoutPosting(b.ID), true)
		x.queue.Drain()
		x.ends(b.ID, "done", "")
		if paid := x.gateway.Cash(); paid != 600-880 { // four fifths of 1100
			t.Errorf("the gateway has %d", paid)
		}
		wantClean(t, x.Service)
	})
	t.Run("voided", func(t *testing.T) {
		x := newTill(t)
		order := x.held()
		x.gateway.Set(paytest.Later)
		x.queue.Dispatch(Void(order))
		x.queue.Drain()
		x.is(order, Held)
		x.gateway.Decide(voidPosting(order), true)
		x.books(0, 0)
		x.is(order, Voided)
	})
	t.Run("refunded", func(t *testing.T) {
		x := newTill(t)
		b := Bill{ID: uuid.Must(uuid.NewV7()), Driver: uuid.Must(uuid.NewV7()), Departs: departs, Charges: []Charge{{x.held(), 600}}}
		order := b.Charges[0].Order
		x.start(b.ID, captureAndShare(b))
		inTx(t, x.db, func(tx *db.Tx) error { _, err := x.GrantRefund(tx, order); return err })
		x.gateway.Set(paytest.Later)
		x.queue.Dispatch(Refund(order))
		x.queue.Drain()
		x.is(order, Refunding)
		x.gateway.Decide(refundPosting(order), true)
		x.books(0, 0)
		x.is(order, Refunded)
	})
}

// Without any webhook, a job that waits asks again by itself.
func TestWhatWaitsAsksByItself(t *testing.T) {
	x := newTill(t)
	x.gateway.Tell("")
	x.gateway.Set(paytest.Later)
	order := open(t, x.Service, 900)
	x.start(order, holdFlow(order))
	x.gateway.Decide(holdPosting(order), true)
	x.queue.Drain()
	x.is(order, None)
	x.queue.Clock.Advance(firstLook)
	x.books(900, 0)
	x.is(order, Held)
	if job := x.queue.Flow(order).Stages[0].Jobs[0]; job.Attempts != 0 {
		t.Errorf("waiting cost %d attempts", job.Attempts)
	}
}

// A hold on which the gateway is silent for too long is given up, and released should
// it come about.
func TestAHoldIsNotWaitedForForEver(t *testing.T) {
	x := newTill(t)
	x.gateway.Set(paytest.Later)
	order := open(t, x.Service, 900)
	x.start(order, holdFlow(order))
	for range 12 {
		x.queue.Clock.Advance(time.Minute)
		x.queue.Drain()
	}
	if v := x.queue.Flow(order); v.Cause != "payment_unanswered" {
		t.Fatalf("the flow is %s with the cause %q", v.State, v.Cause)
	}
	x.gateway.Decide(holdPosting(order), true)
	x.gateway.Decide(voidPosting(order), true)
	x.books(0, 0)
	x.is(order, None)
	x.wantNote("hold.done", "nobody waits for it any more")
}

// A webhook that comes before the answer that it is about, twice, is no less good.
func TestWebhooksThatComeEarly(t *testing.T) {
	x := newTill(t)
	x.gateway.Set(paytest.Early)
	order := open(t, x.Service, 900)
	x.start(order, holdFlow(order))
	x.queue.Clock.Advance(firstLook)
	x.books(900, 0)
	x.ends(order, "done", "")
	var events, handled int
	row := x.db.Read(t.Context()).Raw("SELECT COUNT(*), COUNT(handled_at) FROM webhook_events").Row()
	if err := row.Scan(&events, &handled); err != nil || events != 1 || handled != 1 {
		t.Errorf("%d events are kept, %d handled, %v; want the one", events, handled, err)
	}
}

// A hold that ends before we know of it is remembered until we do.
func TestAHoldThatIsOverEarly(t *testing.T) {
	x := newTill(t)
	order := open(t, x.Service, 900)
	event := map[string]any{"id": "e1", "type": "hold.over", "key": holdPosting(order)}
	x.gateway.Send(event)
	x.queue.Drain()
	if len(x.notes()) != 0 {
		t.Errorf("handled: %v", x.notes())
	}
	x.start(order, holdFlow(order))
	x.is(order, Held)
	x.queue.Clock.Advance(earlyMost)
	x.queue.Drain()
	x.is(order, Lapsed)
	x.wantNote("hold.over", "lapsed")
	wantClean(t, x.Service)
}

// What a gateway has let go of is released in the books; what the ride costs is owed,
// and a void has nothing to do.
func TestAHoldThatLapses(t *testing.T) {
	x := newTill(t)
	b := Bill{ID: uuid.Must(uuid.NewV7()), Driver: uuid.Must(uuid.NewV7()), Departs: departs, Charges: []Charge{{x.held(), 600}}}
	order, other := b.Charges[0].Order, x.held()
	for _, o := range []uuid.UUID{order, other} {
		x.gateway.Release(holdPosting(o))
	}
	x.books(0, 0)
	x.is(order, Lapsed)
	if !x.said.has("level=WARN") || !x.said.has(order.String()) {
		t.Errorf("the log says %s", x.said.text.String())
	}

	x.start(b.ID, captureAndShare(b))
	x.books(0, 0)
	x.is(order, Owed)
	if _, asked := x.gateway.Saw(capturePosting(order)); asked {
		t.Error("the gateway was asked for what it does not hold")
	}
	x.queue.Dispatch(Void(other))
	x.books(0, 0)
	x.is(other, Lapsed)
}

// An event that comes when all is over changes nothing, and its job says so.
func TestWebhooksThatComeLate(t *testing.T) {
	x := newTill(t)
	order := x.held()
	x.queue.Dispatch(Void(order))
	x.books(0, 0)
	for i, e := range []struct{ kind, key, note string }{
		{"hold.over", holdPosting(order), "late: the payment is voided"},
		{"hold.done", holdPosting(order), "nobody waits for it"},
		{"void.done", voidPosting(order), "nobody waits for it"},
		{"capture.declined", capturePosting(order), "nobody waits for it"},
	} {
		x.gateway.Send(map[string]any{"id": string(rune('a' + i)), "type": e.kind, "key": e.key})
		x.books(0, 0)
		x.is(order, Voided)
		x.wantNote(e.kind, e.note)
		if !x.said.has(e.note) {
			t.Errorf("the log does not say %q", e.note)
		}
	}
}

// A webhook about a capture that is over does not cut the time for disputes short, for
// which the flow of the capture waits by then.
func TestALateWebhookLeavesDisputesTheirTime(t *testing.T) {
	x := newTill(t)
	order := x.held()
	b := Bill{ID: uuid.Must(uuid.NewV7()), Driver: uuid.Must(uuid.NewV7()), Departs: departs, Charges: []Charge{{order, 600}}}
	const disputes = 24 * time.Hour
	x.gateway.Set(paytest.Later)
	x.start(b.ID, jobs.Chain(Capture(b.ID, b.Charges[0]), ShareOut(b), EndDisputes(b.ID).In(disputes), Payout(b.ID)))
	x.gateway.Set(paytest.Well)
	x.gateway.Tell("")
	x.gateway.Decide(capturePosting(order), true)
	x.queue.Clock.Advance(firstLook)
	x.queue.Drain()
	x.is(order, Captured)

	x.gateway.Tell(hookServer(t, x.Service))
	x.gateway.Send(map[string]any{"id": "late", "type": "capture.done", "key": capturePosting(order)})
	x.queue.Drain()
	x.wantNote("capture.done", "nobody waits for it any more")
	if st, err := x.settlement(t.Context(), b.ID); err != nil || st.DisputedAt != nil || st.PaidAt != nil {
		t.Errorf("the time for disputes is over at once: %+v, %v", st, err)
	}
	x.queue.Clock.Advance(disputes)
	x.queue.Drain()
	x.ends(b.ID, "done", "")
	wantClean(t, x.Service)
}

// An event about what is not ours is given up after an hour.
func TestWebhooksOfOthers(t *testing.T) {
	x := newTill(t)
	x.gateway.Send(map[string]any{"id": "a", "type": "capture.contested", "ref": "h-of-another-shop"})
	for range 12 {
		x.queue.Drain()
		x.queue.Clock.Advance(earlyMost)
	}
	x.queue.Drain()
	var left int
	if err := x.db.Read(t.Context()).Raw("SELECT COUNT(*) FROM jobs WHERE state = 'ready'").Scan(&left).Error; err != nil || left != 0 {
		t.Errorf("%d jobs are left, %v", left, err)
	}
	if n := x.queue.Events()["pay:webhook failed"]; n != 0 {
		t.Errorf("%d have failed", n)
	}
}

// A contested charge is found by the name of its hold and written down once.
func TestAContestedChargeIsWrittenDown(t *testing.T) {
	x := newTill(t)
	order := x.held()
	for _, id := range []string{"a", "b"} {
		x.gateway.Send(map[string]any{"id": id, "type": "capture.contested", "ref": "h-" + holdPosting(order)})
		x.queue.Drain()
	}
	p, err := x.get(t.Context(), order)
	if err != nil || p.ContestedAt == nil || !x.said.has("contested") {
		t.Errorf("%+v, %v", p, err)
	}
}

// Who has not the secret, or has caught a webhook long ago, gets nothing in.
func TestForgedWebhooksAreRefused(t *testing.T) {
	x := newTill(t)
	body := []byte(`{"id":"a","type":"hold.done","key":"hold:1"}`)
	now := x.clock.Now()
	const strange = `{"id":"事件","type":"hold.done","key":"hold:1"}`
	good := paytest.Signature(body, gatewaySecret, now)
	for name, c := range map[string]struct {
		body, signature string
		want            error
	}{
		"no signature":     {string(body), "", ErrSignature},
		"another secret":   {string(body), paytest.Signature(body, "some other secret", now), ErrSignature},
		"another body":     {`{"id":"b","type":"hold.done","key":"hold:1"}`, good, ErrSignature},
		"half a signature": {string(body), good[:len(good)-2], ErrSignature},
		"another time":     {string(body), "t=1" + good[2:], ErrSignature},
		"no hex":           {string(body), "t=1,v1=zz", ErrSignature},
		"old":              {string(body), paytest.Signature(body, gatewaySecret, now.Add(-signedWithin-time.Second)), ErrSignatureOld},
		"of tomorrow":      {string(body), paytest.Signature(body, gatewaySecret, now.Add(signedWithin+time.Second)), ErrSignatureOld},
		"signed noise":     {"noise", paytest.Signature([]byte("noise"), gatewaySecret, now), ErrUnreadable},
		"strange letters":  {strange, paytest.Signature([]byte(strange), gatewaySecret, now), ErrUnreadable},
		"nothing said":     {"{}", paytest.Signature([]byte("{}"), gatewaySecret, now), ErrUnreadable},
	} {
		err := x.Receive(t.Context(), SignedHook, http.Header{SignatureHeader: {c.signature}}, []byte(c.body))
		if !errors.Is(err, c.want) || fault.KindOf(err) != fault.Malformed {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	wantErr(t, "of a gateway that is not in use", x.Receive(t.Context(), StripeHook, http.Header{}, body), ErrNoHook)
	var rows int
	if err := x.db.Read(t.Context()).Raw("SELECT (SELECT COUNT(*) FROM webhook_events) + (SELECT COUNT(*) FROM jobs)").Scan(&rows).Error; err != nil || rows != 0 {
		t.Errorf("%d rows were written, %v", rows, err)
	}
	// Two signatures may stand there while a secret is being replaced.
	both := "t=" + good[2:12] + ",v1=00" + good[12:]
	wantNil(t, "with two signatures", x.Receive(t.Context(), SignedHook, http.Header{SignatureHeader: {both}}, body))
}

func TestOldEventsArePruned(t *testing.T) {
	x := newTill(t)
	x.gateway.Set(paytest.Later)
	order := open(t, x.Service, 900)
	x.start(order, holdFlow(order))
	x.gateway.Decide(holdPosting(order), true)
	x.queue.Drain()
	left := func() (n int) {
		if err := x.queue.Run(pruneKind.New(struct{}{})); err != nil {
			t.Fatal(err)
		}
		err := x.db.Read(t.Context()).Raw("SELECT (SELECT COUNT(*) FROM webhook_events) + (SELECT COUNT(*) FROM gateway_waits)").Scan(&n).Error
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := left(); n != 2 {
		t.Errorf("%d rows are left", n)
	}
	x.queue.Clock.Advance(keepEvents + time.Minute)
	if n := left(); n != 0 {
		t.Errorf("%d rows are left after so long", n)
	}
}
