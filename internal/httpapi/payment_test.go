package httpapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/account"
	"github.com/spotpool/spotpool/internal/pay"
	"github.com/spotpool/spotpool/internal/pay/paytest"
)

const (
	means      = "/v1/me/payment"
	payHook    = "/v1/webhooks/pay"
	stripeHook = "/v1/webhooks/stripe"
)

var nothingNamed = object{"customer": "", "payment_method": "", "payout_account": ""}

// signed returns the header that makes a webhook the gateway's.
func signed(path string, body any, secret string, at time.Time) header {
	text, isText := body.(string)
	if !isText {
		text = string(asJSON(body))
	}
	name := "Spotpool-Signature"
	if path == stripeHook {
		name = "Stripe-Signature"
	}
	return header{name: paytest.Signature([]byte(text), secret, at)}
}

// signature is the header that the question needs, if it is a webhook.
func (q question) signature() header {
	if !strings.HasPrefix(q.path, "/v1/webhooks/") {
		return nil
	}
	return signed(q.path, q.body, hookSecret, time.Now())
}

func (w *world) paymentRequests(rider user) []question {
	return []question{
		{rider, "GET", means, nil, http.StatusOK},
		{rider, "PUT", means, with(nothingNamed, "payment_method", "pm_1"), http.StatusOK},
		{nobody, "POST", payHook, object{"id": "evt-0", "type": "hold.done", "key": "hold:1"}, http.StatusOK},
		{nobody, "POST", stripeHook, object{"id": "evt_0", "object": "event", "type": "charge.dispute.created", "data": object{"object": object{"payment_intent": "pi_1"}}}, http.StatusOK},
	}
}

// An order is paid with what its rider had named when it was placed.
func TestAnOrderIsPaidWithWhatWasNamed(t *testing.T) {
	w := newWorld(t)
	rider := w.user(account.Rider)
	if got := into[meansOut](w.do(rider, "GET", means, nil).is(http.StatusOK)); got != (meansOut{}) {
		t.Errorf("at first %+v", got)
	}
	first := w.order(rider)
	want := meansOut{"cus_1", "pm_1", "acct_1"}
	for range 2 {
		if got := into[meansOut](w.do(rider, "PUT", means, want).is(http.StatusOK)); got != want {
			t.Errorf("named %+v", got)
		}
	}
	second := w.order(rider)
	w.do(rider, "PUT", means, nothingNamed).is(http.StatusOK)
	found, err := w.api.Payments.Of(t.Context(), first.ID, second.ID)
	if err != nil || found[first.ID].Payer != (pay.Payer{}) || found[second.ID].Payer != (pay.Payer{Customer: "cus_1", Method: "pm_1"}) {
		t.Errorf("%+v, %v", found, err)
	}
}

func TestMeansAreRefused(t *testing.T) {
	w := newWorld(t)
	rider := w.user(account.Rider)
	w.refuseAll(t, []refusal{
		{"no body", rider, "PUT", means, nil, malformedStatus, "json_invalid", nil},
		{"a number", rider, "PUT", means, with(nothingNamed, "customer", 1), malformedStatus, "field_malformed", nil},
		{"a card", rider, "PUT", means, with(nothingNamed, "card", "x"), malformedStatus, "field_unknown", nil},
		{"one is missing", rider, "PUT", means, without(nothingNamed, "payout_account"), invalidStatus, "field_missing", nil},
		{"the number of a card", rider, "PUT", means, with(nothingNamed, "payment_method", "4242424242424242"), invalidStatus, "payment_reference_invalid", nil},
		{"with spaces", rider, "PUT", means, with(nothingNamed, "customer", "cus 1"), invalidStatus, "payment_reference_invalid", nil},
		{"too long", rider, "PUT", means, with(nothingNamed, "payout_account", "a"+strings.Repeat("b", 100)), invalidStatus, "payment_reference_invalid", nil},
		{"nobody's", nobody, "PUT", means, nothingNamed, http.StatusUnauthorized, "not_signed_in", nil},
	})
}

// What the gateway has not signed leaves nothing behind.
func TestWebhooksAreRefused(t *testing.T) {
	w := newWorld(t)
	operator := w.user(account.Operator)
	event := object{"id": "evt-1", "object": "event", "type": "hold.done", "key": "hold:1", "data": object{"object": object{}}}
	huge := with(event, "padding", strings.Repeat("x", maxWebhook))
	now := time.Now()
	var refusals []refusal
	for _, path := range []string{payHook, stripeHook} {
		refusals = append(refusals,
			refusal{path + ": not signed", nobody, "POST", path, event, malformedStatus, "webhook_signature_invalid", nil},
			refusal{path + ": a token instead", operator, "POST", path, event, malformedStatus, "webhook_signature_invalid", nil},
			refusal{path + ": another secret", nobody, "POST", path, event, malformedStatus, "webhook_signature_invalid", signed(path, event, "another secret", now)},
			refusal{path + ": another body", nobody, "POST", path, with(event, "id", "evt-2"), malformedStatus, "webhook_signature_invalid", signed(path, event, hookSecret, now)},
			refusal{path + ": old", nobody, "POST", path, event, malformedStatus, "webhook_signature_old", signed(path, event, hookSecret, now.Add(-time.Hour))},
			refusal{path + ": noise", nobody, "POST", path, "noise", malformedStatus, "webhook_unreadable", signed(path, "noise", hookSecret, now)},
			refusal{path + ": huge", nobody, "POST", path, huge, http.StatusRequestEntityTooLarge, "body_too_large", signed(path, huge, hookSecret, now)},
			refusal{path + ": read", operator, "GET", path, nil, http.StatusMethodNotAllowed, "method_not_allowed", nil},
		)
	}
	w.refuseAll(t, refusals)
	unused := newWorld(t, func(d *Deps) { d.Payments = pay.New(pay.Deps{DB: d.DB}) })
	unused.refuseAll(t, []refusal{
		{"of a gateway that is not in use", nobody, "POST", payHook, event, http.StatusNotFound, "webhook_not_in_use", signed(payHook, event, hookSecret, now)},
	})
}

// One event that comes many times at once is kept once and handled once; each of many is.
func TestAnEventIsKeptOnce(t *testing.T) {
	const events, times = 20, 8
	w := newWorld(t)
	w.run()
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range events {
		event := object{"id": fmt.Sprint("evt-", i), "type": "hold.done", "key": "hold:" + uuid.NewString()}
		for range times {
			wg.Go(func() {
				<-start
				if a := w.do(nobody, "POST", payHook, event, signed(payHook, event, hookSecret, time.Now())); a.Code != http.StatusOK {
					t.Errorf("answered %d: %s", a.Code, a.Body)
				}
			})
		}
	}
	close(start)
	wg.Wait()
	w.Await("the events to be handled", func() bool {
		var n int
		if err := w.DB.Read(t.Context()).Raw("SELECT COUNT(*) FROM webhook_events WHERE handled_at IS NOT NULL").Scan(&n).Error; err != nil {
			t.Fatal(err)
		}
		return n == events && w.Events()["pay:webhook done"] >= events // which comes after the commit
	})
	counts := w.counts(t)
	if counts["webhook_events"] != events || counts["jobs"] != events || w.Events()["pay:webhook done"] != events {
		t.Errorf("kept %d, with %d jobs, %d times handled; want %d", counts["webhook_events"], counts["jobs"], w.Events()["pay:webhook done"], events)
	}
}

// The examples in the description are taken.
func TestTheDescribedWebhooksAreTaken(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{payHook, stripeHook} {
		example := described().doc.Paths.Value(path).Post.RequestBody.Value.Content["application/json"].Example
		raw, err := json.Marshal(example)
		if err != nil {
			t.Fatal(err)
		}
		w.do(nobody, "POST", path, string(raw), signed(path, string(raw), hookSecret, time.Now())).is(http.StatusOK)
	}
	if n := w.counts(t)["webhook_events"]; n != 2 {
		t.Errorf("%d events are kept", n)
	}
}
