package pay

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/spotpool/spotpool/internal/pay/paytest"
)

// fakeStripe is the part of Stripe's API that holds state: intents, refunds and transfers,
// and what was answered under each Idempotency-Key, faults included.
type fakeStripe struct {
	*httptest.Server

	mu        sync.Mutex
	mode      paytest.Mode
	intents   map[string]*fakeIntent
	refunds   map[string]*fakeRefund
	transfers map[string]fakeTransfer // by group
	answers   map[string]fakeAnswer
	forgets   bool     // keys, as after a day
	poor      bool     // has nothing of ours to send yet
	made      []string // requests, "POST /v1/refunds"
}

type fakeIntent struct {
	ID       string            `json:"id"`
	Object   string            `json:"object"`
	Amount   int64             `json:"amount"`
	Received int64             `json:"amount_received"`
	Status   string            `json:"status"`
	Reason   string            `json:"cancellation_reason,omitempty"`
	Metadata map[string]string `json:"metadata"`
	Currency string            `json:"currency"`
	Customer string            `json:"customer,omitempty"`
	Method   string            `json:"payment_method,omitempty"`
}

type fakeRefund struct {
	ID     string `json:"id"`
	Object string `json:"object"`
	Amount int64  `json:"amount"`
	Status string `json:"status"`
	Intent string `json:"payment_intent"`
}

type fakeTransfer struct {
	ID          string `json:"id"`
	Object      string `json:"object"`
	Amount      int64  `json:"amount"`
	Group       string `json:"transfer_group"`
	Destination string `json:"destination"`
}

type fakeAnswer struct {
	asked  string
	status int
	body   any
}

// What riders may pay with.
const (
	goodCard = "pm_good"
	badCard  = "pm_bad"  // declined
	slowCard = "pm_slow" // is decided later

	goneCustomer = "cus_gone" // Stripe does not know it
	leastAmount  = 2
)

func newFakeStripe(t *testing.T) *fakeStripe {
	f := &fakeStripe{
		intents: map[string]*fakeIntent{}, refunds: map[string]*fakeRefund{}, transfers: map[string]fakeTransfer{}, answers: map[string]fakeAnswer{},
	}
	f.Server = httptest.NewServer(http.HandlerFunc(f.serve))
	t.Cleanup(f.Close)
	return f
}

// set changes how Stripe treats what it is asked.
func (f *fakeStripe) set(m paytest.Mode) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mode = m
}

// with runs fn on the one intent there is of a hold's key.
func (f *fakeStripe) with(key string, fn func(pi *fakeIntent)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, pi := range f.intents {
		if pi.Metadata[keyName] == key {
			fn(pi)
		}
	}
}

func (f *fakeStripe) held() (sum int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, pi := range f.intents {
		if pi.Status == "requires_capture" {
			sum += pi.Amount
		}
	}
	return sum
}

func (f *fakeStripe) cash() (sum int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, pi := range f.intents {
		sum += pi.Received
	}
	for _, r := range f.refunds {
		sum -= r.Amount
	}
	for _, t := range f.transfers {
		sum -= t.Amount
	}
	return sum
}

func (f *fakeStripe) serve(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := r.ParseForm(); err != nil {
		panic(err)
	}
	f.made = append(f.made, r.Method+" "+r.URL.Path)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Request-Id", "req_"+strconv.Itoa(len(f.made)))
	key, asked := r.Header.Get("Idempotency-Key"), r.URL.Path+"?"+r.PostForm.Encode()
	if r.Header.Get("Authorization") != "Bearer sk_test_fake" {
		f.say(w, 401, fail("invalid_request_error", "", "secret sk_test_fake is not good"))
		return
	}
	if f.mode == paytest.Out {
		a := fakeAnswer{asked, 500, fail("api_error", "", "out")}
		if r.Method == http.MethodPost {
			f.answers[key] = a // it is repeated for a day
		}
		f.say(w, a.status, a.body)
		return
	}
	if old, repeated := f.answers[key]; repeated && key != "" && !f.forgets {
		w.Header().Set("Idempotent-Replayed", "true")
		if old.asked != asked {
			f.say(w, 400, fail("idempotency_error", "", "other parameters"))
			return
		}
		f.say(w, old.status, old.body)
		return
	}
	status, body := f.do(r)
	if r.Method == http.MethodPost {
		raw, _ := json.Marshal(body) // as it was then
		f.answers[key] = fakeAnswer{asked, status, json.RawMessage(raw)}
	}
	if f.mode == paytest.Lost {
		panic(http.ErrAbortHandler)
	}
	f.say(w, status, body)
}

func (f *fakeStripe) say(w http.ResponseWriter, status int, body any) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func fail(kind, code, words string) any {
	return map[string]any{"error": map[string]string{"type": kind, "code": code, "message": words}}
}

func list(items ...any) any {
	return map[string]any{"object": "list", "data": append([]any{}, items...), "has_more": false}
}

// do carries out a request that was not made before under its key.
func (f *fakeStripe) do(r *http.Request) (status int, body any) {
	form, amount := r.Form, int64(0)
	if text := form.Get("amount") + form.Get("amount_to_capture"); text != "" {
		amount, _ = strconv.ParseInt(text, 10, 64)
	}
	switch path := strings.TrimPrefix(r.URL.Path, "/v1/"); {
	case path == "payment_intents":
		pi := &fakeIntent{
			ID: fmt.Sprintf("pi_%d", len(f.intents)+1), Object: "payment_intent", Amount: amount, Status: "requires_payment_method",
			Metadata: map[string]string{keyName: form.Get("metadata[" + keyName + "]")}, Currency: form.Get("currency"), Customer: form.Get("customer"),
		}
		if form.Get("capture_method") != "manual" {
			return 400, fail("invalid_request_error", "parameter_missing", "it would be captured at once")
		}
		if pi.Customer == goneCustomer {
			return 400, map[string]any{"error": map[string]string{"type": "invalid_request_error", "code": "resource_missing", "param": "customer", "message": "no such customer"}}
		}
		if amount < leastAmount {
			return 400, fail("invalid_request_error", "amount_too_small", "too little")
		}
		f.intents[pi.ID] = pi
		return 200, pi
	case path == "payment_intents/search":
		for _, pi := range f.intents {
			if form.Get("query") == fmt.Sprintf("metadata['%s']:'%s'", keyName, pi.Metadata[keyName]) {
				return 200, list(pi)
			}
		}
		return 200, list()
	case strings.HasPrefix(path, "payment_intents/"):
		id, verb, _ := strings.Cut(strings.TrimPrefix(path, "payment_intents/"), "/")
		if pi := f.intents[id]; pi != nil {
			return f.change(pi, verb, form, amount)
		}
	case path == "refunds":
		return f.refund(form.Get("payment_intent"), amount)
	case strings.HasPrefix(path, "refunds/"):
		if re := f.refunds[strings.TrimPrefix(path, "refunds/")]; re != nil {
			return 200, re
		}
	case path == "transfers" && r.Method == http.MethodGet:
		if t, ok := f.transfers[form.Get("transfer_group")]; ok {
			return 200, list(t)
		}
		return 200, list()
	case path == "transfers" && f.poor:
		return 400, fail("invalid_request_error", "balance_insufficient", "too little is there")
	case path == "transfers":
		t := fakeTransfer{fmt.Sprintf("tr_%d", len(f.transfers)+1), "transfer", amount, form.Get("transfer_group"), form.Get("destination")}
		if _, twice := f.transfers[t.Group]; twice {
			return 500, fail("api_error", "", "paid twice")
		}
		f.transfers[t.Group] = t
		return 200, t
	}
	return 404, fail("invalid_request_error", "resource_missing", "no such thing")
}

func (f *fakeStripe) change(pi *fakeIntent, verb string, form url.Values, amount int64) (int, any) {
	unexpected := fail("invalid_request_error", "payment_intent_unexpected_state", "it is "+pi.Status)
	switch verb {
	case "confirm":
		if pi.Status != "requires_payment_method" {
			return 400, unexpected
		}
		pi.Method = form.Get("payment_method")
		switch {
		case pi.Method == badCard || f.mode == paytest.Declines:
			return 402, map[string]any{"error": map[string]string{"type": "card_error", "code": "card_declined", "decline_code": "insufficient_funds", "message": "card 4242 of Li Lei"}}
		case pi.Method == slowCard:
			pi.Status = "processing"
		default:
			pi.Status = "requires_capture"
		}
	case "capture":
		if pi.Status != "requires_capture" {
			return 400, unexpected
		}
		if amount > pi.Amount {
			return 400, fail("invalid_request_error", "amount_too_large", "too much")
		}
		pi.Status, pi.Received = "succeeded", amount
	case "cancel":
		if pi.Status == "succeeded" || pi.Status == "canceled" || pi.Status == "processing" {
			return 400, unexpected
		}
		pi.Status, pi.Reason = "canceled", form.Get("cancellation_reason")
	}
	return 200, pi
}

func (f *fakeStripe) refund(intent string, amount int64) (int, any) {
	pi := f.intents[intent]
	for _, r := range f.refunds {
		if r.Intent == intent {
			return 400, fail("invalid_request_error", "charge_already_refunded", "it was given back")
		}
	}
	if pi == nil || pi.Received < amount {
		return 400, fail("invalid_request_error", "resource_missing", "nothing was taken")
	}
	r := &fakeRefund{fmt.Sprintf("re_%d", len(f.refunds)+1), "refund", amount, "succeeded", intent}
	if pi.Method == slowCard {
		r.Status = "pending"
	}
	f.refunds[r.ID] = r
	return 200, r
}
