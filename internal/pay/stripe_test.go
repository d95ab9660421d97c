package pay

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stripe/stripe-go/v84"
	"github.com/stripe/stripe-go/v84/webhook"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/fault"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
	"github.com/spotpool/spotpool/internal/pay/paytest"
)

// An intent that Stripe decides later is read again: under its key, Stripe repeats its
// first answer for ever.
func TestStripeDecidesLater(t *testing.T) {
	f := newFakeStripe(t)
	g := stripeAt(t, f.URL, clock.System{})
	o := newOrderMoney(900)
	o.r.Payer = Payer{Customer: "cus_1", Method: slowCard}
	for range 2 {
		_, err := g.Hold(t.Context(), o.r)
		wantErr(t, "hold", err, ErrPending)
		wantErr(t, "void", g.Void(t.Context(), o.void, o.r, ""), ErrPending)
	}
	f.with(o.r.Key, func(pi *fakeIntent) {
		if pi.Customer != "cus_1" || pi.Method != slowCard || pi.Currency != "cny" {
			t.Errorf("%+v", pi)
		}
		pi.Status = "requires_capture"
	})
	ref, err := g.Hold(t.Context(), o.r)
	wantNil(t, "hold", err)
	wantNil(t, "capture", g.Capture(t.Context(), o.capture, ref, 900))
	for range 2 {
		wantErr(t, "refund", g.Refund(t.Context(), o.giveBack, ref, 900), ErrPending)
	}
	f.mu.Lock()
	for _, r := range f.refunds {
		r.Status = "succeeded"
	}
	f.mu.Unlock()
	wantNil(t, "refund", g.Refund(t.Context(), o.giveBack, ref, 900))
}

// What Stripe has let go of is declined, when it is captured and when it is held once more.
func TestStripeLetsGo(t *testing.T) {
	f := newFakeStripe(t)
	g := stripeAt(t, f.URL, clock.System{})
	o := newOrderMoney(900)
	ref, err := g.Hold(t.Context(), o.r)
	wantNil(t, "hold", err)
	f.with(o.r.Key, func(pi *fakeIntent) { pi.Status = "canceled" })
	wantErr(t, "capture", g.Capture(t.Context(), o.capture, ref, 900), ErrDeclined)
	wantNil(t, "void", g.Void(t.Context(), o.void, o.r, ref))
}

// Somebody else has captured another amount: that is for a person to look at.
func TestStripeHasCapturedOtherwise(t *testing.T) {
	f := newFakeStripe(t)
	g := stripeAt(t, f.URL, clock.System{})
	o := newOrderMoney(900)
	ref, err := g.Hold(t.Context(), o.r)
	wantNil(t, "hold", err)
	f.with(o.r.Key, func(pi *fakeIntent) { pi.Status, pi.Received = "succeeded", 1 })
	wantErr(t, "capture", g.Capture(t.Context(), o.capture, ref, 900), ErrRefused)
}

// What was captured can be sent only days later: the payout waits, and is not held up by
// an answer that Stripe repeats.
func TestStripeHasTooLittleYet(t *testing.T) {
	f := newFakeStripe(t)
	g := stripeAt(t, f.URL, clock.System{})
	rich := func(is bool) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.poor = !is
	}
	pay := Remittance{payoutPosting(uuid.New()), uuid.New(), "acct_1", 100}
	rich(false)
	for range 3 {
		wantErr(t, "payout", g.Payout(t.Context(), pay), ErrPending)
	}
	rich(true)
	for range 2 {
		wantNil(t, "payout", g.Payout(t.Context(), pay))
	}
	if f.cash() != -100 {
		t.Errorf("Stripe has %d", f.cash())
	}
}

// What Stripe will not make holds nothing: its void is done, unless it is our key that
// Stripe does not take.
func TestStripeNeverMadeTheHold(t *testing.T) {
	f := newFakeStripe(t)
	g := stripeAt(t, f.URL, clock.System{})
	unknown, little := newOrderMoney(900), newOrderMoney(leastAmount-1)
	unknown.r.Payer.Customer = goneCustomer
	for range 2 {
		for _, o := range []orderMoney{unknown, little} {
			_, err := g.Hold(t.Context(), o.r)
			wantErr(t, "hold", err, ErrRefused)
			wantNil(t, "void", g.Void(t.Context(), o.void, o.r, ""))
		}
	}
	if len(f.intents) != 0 {
		t.Errorf("%d intents were made", len(f.intents))
	}
	stranger, err := NewStripe(StripeConfig{URL: f.URL, Key: "sk_test_other", Method: goodCard}, clock.System{})
	wantNil(t, "another key", err)
	wantErr(t, "void", stranger.Void(t.Context(), unknown.void, unknown.r, ""), ErrRefused)
}

// A day later Stripe has forgotten the keys: what was made is looked for.
func TestStripeForgetsKeys(t *testing.T) {
	f := newFakeStripe(t)
	now := clock.NewFake(time.Date(2026, 5, 4, 8, 0, 0, 0, time.UTC))
	g := stripeAt(t, f.URL, now)
	held, lost := newOrderMoney(900), newOrderMoney(800)
	held.r.Since, lost.r.Since = now.Now(), now.Now()
	if _, err := g.Hold(t.Context(), held.r); err != nil {
		t.Fatal(err)
	}
	f.set(paytest.Lost)
	_, _ = g.Hold(t.Context(), lost.r) // makes the intent
	_, _ = g.Hold(t.Context(), lost.r) // is answered about that, and confirms it
	f.set(paytest.Well)
	if f.held() != 1700 {
		t.Fatalf("%d are held", f.held())
	}
	pay := Remittance{payoutPosting(uuid.New()), uuid.New(), "acct_1", 100}
	wantNil(t, "payout", g.Payout(t.Context(), pay))

	f.mu.Lock()
	f.forgets = true
	f.mu.Unlock()
	now.Advance(24 * time.Hour)
	wantNil(t, "void", g.Void(t.Context(), lost.void, lost.r, ""))
	_, err := g.Hold(t.Context(), held.r)
	wantNil(t, "hold", err)
	wantNil(t, "payout", g.Payout(t.Context(), pay))
	if f.held() != 900 || f.cash() != -100 {
		t.Errorf("Stripe holds %d and has %d", f.held(), f.cash())
	}
}

func TestStripeAsksForWhatIsMissing(t *testing.T) {
	f := newFakeStripe(t)
	g := stripeAt(t, f.URL, clock.System{})
	wantErr(t, "payout", g.Payout(t.Context(), Remittance{Key: "payout:1", Amount: 1}), ErrNoAccount)
	g.config.Method = ""
	_, err := g.Hold(t.Context(), newOrderMoney(900).r)
	wantErr(t, "hold", err, ErrDeclined)
	if len(f.made) != 0 {
		t.Errorf("Stripe was asked for %v", f.made)
	}
}

// Each answer of Stripe's means one thing, and none carries its words along: they may
// name people, or the key.
func TestStripesErrors(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		body   string
		want   error // nil: it may pass
	}{
		{"a declined card", 402, `{"error":{"type":"card_error","code":"card_declined","decline_code":"lost_card","message":"SECRET"}}`, ErrDeclined},
		{"a card that wants its owner", 402, `{"error":{"type":"card_error","code":"authentication_required","message":"SECRET"}}`, ErrDeclined},
		{"no such method", 400, `{"error":{"type":"invalid_request_error","code":"resource_missing","param":"payment_method","message":"SECRET"}}`, ErrRefused},
		{"other parameters", 400, `{"error":{"type":"idempotency_error","message":"SECRET"}}`, ErrRefused},
		{"a bad key", 401, `{"error":{"type":"invalid_request_error","message":"Invalid API Key provided: SECRET"}}`, ErrRefused},
		{"not allowed", 403, `{"error":{"type":"invalid_request_error","message":"SECRET"}}`, ErrRefused},
		{"a twin under way", 409, `{"error":{"type":"idempotency_error","code":"idempotency_key_in_use","message":"SECRET"}}`, nil},
		{"too fast", 429, `{"error":{"type":"invalid_request_error","code":"rate_limit","message":"SECRET"}}`, nil},
		{"a fault", 500, `{"error":{"type":"api_error","message":"SECRET"}}`, nil},
		{"a proxy's page", 502, `<html>SECRET</html>`, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			}))
			defer server.Close()
			g := stripeAt(t, server.URL, clock.System{})
			o := newOrderMoney(900)
			_, err := g.Hold(t.Context(), o.r)
			for what, err := range map[string]error{
				"hold": err, "void": g.Void(t.Context(), o.void, o.r, "pi_1"), "capture": g.Capture(t.Context(), o.capture, "pi_1", 1),
				"refund": g.Refund(t.Context(), o.giveBack, "pi_1", 1), "payout": g.Payout(t.Context(), Remittance{Key: "p", Account: "acct_1", Amount: 1}),
			} {
				if c.want == nil && fault.KindOf(err) != fault.Unavailable || c.want != nil && !errors.Is(err, c.want) {
					t.Errorf("%s: %v, want %v", what, err, c.want)
				}
				if err != nil && strings.Contains(err.Error(), "SECRET") {
					t.Errorf("%s repeats Stripe's words: %v", what, err)
				}
			}
		})
	}
	g := stripeAt(t, "http://127.0.0.1:1", clock.System{})
	if _, err := g.Hold(t.Context(), newOrderMoney(900).r); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("nobody answers: %v", err)
	}
}

func TestStripesEvents(t *testing.T) {
	now := clock.NewFake(time.Date(2026, 5, 4, 8, 0, 0, 0, time.UTC))
	g := stripeAt(t, "http://127.0.0.1:1", now)
	const ours = `"metadata":{"spotpool_key":"hold:o1"}`
	for _, c := range []struct {
		kind, object string
		want         Event // its id apart
	}{
		{"payment_intent.amount_capturable_updated", `{"id":"pi_1",` + ours + `}`, Event{"", Decided, "", "hold:o1", "pi_1"}},
		{"payment_intent.payment_failed", `{"id":"pi_1",` + ours + `}`, Event{"", Decided, "", "hold:o1", "pi_1"}},
		{"payment_intent.succeeded", `{"id":"pi_1",` + ours + `}`, Event{"", Decided, "", "capture:o1", "pi_1"}},
		{"payment_intent.canceled", `{"id":"pi_1","cancellation_reason":"automatic",` + ours + `}`, Event{"", HoldOver, "", "hold:o1", "pi_1"}},
		{"payment_intent.canceled", `{"id":"pi_1","cancellation_reason":"abandoned",` + ours + `}`, Event{"", Decided, "", "void:o1", "pi_1"}},
		{"payment_intent.canceled", `{"id":"pi_1","metadata":{}}`, Event{"", Nothing, "", "", "pi_1"}},
		{"refund.updated", `{"id":"re_1","payment_intent":"pi_1","metadata":{"spotpool_key":"refund:o1"}}`, Event{"", Decided, "", "refund:o1", "pi_1"}},
		{"refund.failed", `{"id":"re_1","payment_intent":"pi_1","metadata":{"spotpool_key":"refund:o1"}}`, Event{"", Unasked, "", "refund:o1", "pi_1"}},
		{"refund.created", `{"id":"re_1","payment_intent":"pi_1","metadata":{"spotpool_key":"refund:o1"}}`, Event{"", Nothing, "", "", ""}},
		{"refund.created", `{"id":"re_1","payment_intent":"pi_1"}`, Event{"", Unasked, "", "", "pi_1"}},
		{"charge.dispute.created", `{"id":"dp_1","payment_intent":"pi_1"}`, Event{"", Contest, "", "", "pi_1"}},
		{"v2.odd", `{"status":{},"payment_intent":7}`, Event{"", Nothing, "", "", ""}},
		{"customer.created", `{"id":"cus_1"}`, Event{"", Nothing, "", "", ""}},
	} {
		body := []byte(`{"id":"evt_1","object":"event","type":"` + c.kind + `","data":{"object":` + c.object + `}}`)
		got, err := g.Read(stripeSigned(body, "whsec_fake", now.Now()), body)
		c.want.EventID, c.want.Name = "evt_1", c.kind
		if err != nil || got != c.want {
			t.Errorf("%s %s: %+v, %v; want %+v", c.kind, c.object, got, err, c.want)
		}
	}
	odd := []byte(`{"id":"evt_1","object":"event","type":"charge.dispute.created","data":{"object":{"payment_intent":7}}}`)
	body := []byte(`{"id":"evt_1","object":"event","type":"customer.created","data":{"object":{}}}`)
	dated := stripeSigned(body, "whsec_fake", now.Now().Add(-24*time.Hour))
	for name, c := range map[string]struct {
		h    http.Header
		body []byte
		want error
	}{
		"no signature":    {http.Header{}, body, ErrSignature},
		"another secret":  {stripeSigned(body, "whsec_other", now.Now()), body, ErrSignature},
		"another body":    {stripeSigned(body, "whsec_fake", now.Now()), append(body, ' '), ErrSignature},
		"old":             {stripeSigned(body, "whsec_fake", now.Now().Add(-signedWithin-time.Second)), body, ErrSignatureOld},
		"of tomorrow":     {stripeSigned(body, "whsec_fake", now.Now().Add(signedWithin+time.Second)), body, ErrSignatureOld},
		"old, dressed up": {http.Header{"Stripe-Signature": {fmt.Sprintf("t=%d,%s", now.Now().Unix(), dated.Get("Stripe-Signature"))}}, body, ErrSignatureOld},
		"noise":           {stripeSigned([]byte("noise"), "whsec_fake", now.Now()), []byte("noise"), ErrUnreadable},
		"no intent":       {stripeSigned(odd, "whsec_fake", now.Now()), odd, ErrUnreadable},
		"no event":        {stripeSigned([]byte("{}"), "whsec_fake", now.Now()), []byte("{}"), ErrUnreadable},
	} {
		_, err := g.Read(c.h, c.body)
		wantErr(t, name, err, c.want)
	}
}

func stripeSigned(body []byte, secret string, at time.Time) http.Header {
	p := webhook.GenerateTestSignedPayload(&webhook.UnsignedPayload{Payload: body, Secret: secret, Timestamp: at})
	return http.Header{"Stripe-Signature": {p.Header}}
}

// stripe-mock holds each request against Stripe's own description of the API. It keeps
// no state, so what it answers says nothing; that it answers says that we ask rightly.
func TestRequestsAreAsStripeDescribesThem(t *testing.T) {
	g := stripeAt(t, stripeMock(t), clock.NewFake(time.Date(2026, 5, 4, 8, 0, 0, 0, time.UTC)))
	g.api = stripe.NewClient("sk_test_123", stripe.WithBackends(stripe.NewBackendsWithConfig(&stripe.BackendConfig{
		URL: stripe.String(g.config.URL), MaxNetworkRetries: stripe.Int64(0), LeveledLogger: &stripe.LeveledLogger{Level: stripe.LevelNull},
		HTTPClient: &http.Client{Transport: refusals{t}},
	})))
	young, old := newOrderMoney(900), newOrderMoney(900)
	young.r.Payer, young.r.Since = Payer{"cus_1", "pm_1"}, g.clock.Now()
	old.r.Since = g.clock.Now().Add(-24 * time.Hour)
	for _, o := range []orderMoney{young, old} {
		_, _ = g.Hold(t.Context(), o.r)
		_ = g.Void(t.Context(), o.void, o.r, "")
	}
	_ = g.Capture(t.Context(), young.capture, "pi_1", 600)
	_ = g.Refund(t.Context(), young.giveBack, "pi_1", 600)
	_ = g.Payout(t.Context(), Remittance{"payout:1", uuid.New(), "acct_1", 100})
}

// refusals fails the test when a request is refused.
type refusals struct{ t *testing.T }

func (r refusals) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		r.t.Errorf("%s %s: %v", req.Method, req.URL, err)
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(res.Body)
		r.t.Errorf("%s %s is answered %d: %s", req.Method, req.URL.Path, res.StatusCode, body)
		res.Body = io.NopCloser(strings.NewReader(string(body)))
	}
	return res, nil
}

// stripeMock builds stripe-mock, which is a module of its own beside this one, runs it
// until the test ends and returns its address.
func stripeMock(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "stripe-mock")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "github.com/stripe/stripe-mock")
	build.Dir = "stripemock"
	build.Env = append(os.Environ(), "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build stripe-mock: %v\n%s", err, out)
	}
	mock := exec.Command(binary, "-http-addr", "127.0.0.1:")
	out, err := mock.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := mock.Start(); err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(jobstest.Deadline, func() { _ = mock.Process.Kill() })
	t.Cleanup(func() {
		late.Stop()
		_ = mock.Process.Kill()
		_ = mock.Wait()
	})
	said := regexp.MustCompile(`127\.0\.0\.1:\d+`)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if address := said.FindString(lines.Text()); address != "" {
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return "http://" + address
		}
	}
	t.Fatal("stripe-mock did not say where it listens")
	return ""
}
