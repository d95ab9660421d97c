package pay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/stripe/stripe-go/v84"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/money"
)

// StripeConfig is an account with Stripe.
type StripeConfig struct {
	URL           string // of the API, without a path
	Key           string // sk_… or rk_…
	WebhookSecret string // whsec_…
	Method        string // what riders pay with who have named nothing; empty: they are declined
}

// Stripe holds money by PaymentIntents that are captured by hand, and pays drivers by
// Transfers to their connected accounts.
//
// An intent is made first and confirmed then. Made, it holds nothing; it is found
// again by repeating the request that made it, so a void can cancel it although no
// answer ever came, and a confirmation that arrives later is refused.
type Stripe struct {
	config StripeConfig
	clock  clock.Clock
	api    *stripe.Client
}

// keyLife is how long Stripe remembers an Idempotency-Key for certain, less an hour.
// What may be older is looked for first.
const keyLife = 23 * time.Hour

// keyName is where an intent's, refund's or transfer's metadata have our key.
const keyName = "spotpool_key"

// NewStripe returns an adapter for an account. It does no I/O.
func NewStripe(c StripeConfig, clk clock.Clock) (*Stripe, error) {
	at, err := url.Parse(c.URL)
	if err != nil || at.Host == "" || at.Scheme != "http" && at.Scheme != "https" {
		return nil, errors.New("the address of Stripe must be like https://api.stripe.com")
	}
	backends := stripe.NewBackendsWithConfig(&stripe.BackendConfig{
		URL: stripe.String(c.URL), HTTPClient: newHTTPClient(), EnableTelemetry: stripe.Bool(false),
		MaxNetworkRetries: stripe.Int64(0), LeveledLogger: &stripe.LeveledLogger{Level: stripe.LevelNull},
	})
	return &Stripe{c, clk, stripe.NewClient(c.Key, stripe.WithBackends(backends))}, nil
}

// Hold implements Gateway.
func (g *Stripe) Hold(ctx context.Context, r Reservation) (string, error) {
	method := cmp.Or(r.Payer.Method, g.config.Method)
	if method == "" {
		return "", declined("no_payment_method")
	}
	pi, err := g.intent(ctx, r)
	if err != nil {
		return "", err
	}
	confirmed, err := call(r.Key+":confirm", func(key string) (*stripe.PaymentIntent, error) {
		p := &stripe.PaymentIntentConfirmParams{PaymentMethod: &method, OffSession: stripe.Bool(true)}
		p.SetIdempotencyKey(key)
		return g.api.V1PaymentIntents.Confirm(ctx, pi.ID, p)
	})
	confirmed, err = g.now(ctx, pi.ID, confirmed, err, stripe.PaymentIntentStatusRequiresCapture)
	if err != nil {
		return "", err
	}
	switch confirmed.Status {
	case stripe.PaymentIntentStatusRequiresCapture, stripe.PaymentIntentStatusSucceeded:
		return pi.ID, nil
	case stripe.PaymentIntentStatusProcessing:
		return "", ErrPending
	}
	return "", declined(string(confirmed.Status)) // nobody is there to take the further step it may ask for
}

// intent returns the intent of a hold, made now if there was none.
func (g *Stripe) intent(ctx context.Context, r Reservation) (*stripe.PaymentIntent, error) {
	if g.clock.Now().Sub(r.Since) > keyLife {
		if pi, err := g.search(ctx, r.Key); pi != nil || err != nil {
			return pi, stripeError(err)
		}
	}
	pi, err := call(r.Key, func(key string) (*stripe.PaymentIntent, error) {
		p := &stripe.PaymentIntentCreateParams{
			Amount: stripe.Int64(int64(r.Amount)), Currency: stripe.String(strings.ToLower(money.Currency)),
			CaptureMethod:      stripe.String(string(stripe.PaymentIntentCaptureMethodManual)),
			PaymentMethodTypes: []*string{stripe.String("card")},
			Metadata:           map[string]string{keyName: r.Key},
		}
		if r.Payer.Customer != "" {
			p.Customer = &r.Payer.Customer
		}
		p.SetIdempotencyKey(key)
		return g.api.V1PaymentIntents.Create(ctx, p)
	})
	if cannotBe(err) {
		return nil, fmt.Errorf("%w: %w", errNoIntent, stripeError(err))
	}
	return pi, stripeError(err)
}

// errNoIntent says that there is no intent under a key, and never will be.
var errNoIntent = errors.New("no intent was made")

// cannotBe reports whether Stripe will never make an intent as it is asked for, however
// often. If it had made one before, it would have answered with that.
func cannotBe(err error) bool {
	var e *stripe.Error
	return errors.As(err, &e) && e.HTTPStatusCode == http.StatusBadRequest &&
		(e.Code == stripe.ErrorCodeAmountTooSmall || e.Code == stripe.ErrorCodeResourceMissing && e.Param == "customer")
}

// search returns the intent that was made under a key long ago, of several the one that
// holds something, or nil.
func (g *Stripe) search(ctx context.Context, key string) (found *stripe.PaymentIntent, err error) {
	query := &stripe.PaymentIntentSearchParams{SearchParams: stripe.SearchParams{Query: fmt.Sprintf("metadata['%s']:'%s'", keyName, key)}}
	for pi, err := range g.api.V1PaymentIntents.Search(ctx, query) {
		if err != nil {
			return nil, err
		}
		if found == nil || pi.Status == stripe.PaymentIntentStatusRequiresCapture {
			found = pi
		}
	}
	return found, nil
}

// now returns an intent as it stands. Under a key Stripe repeats its first answer, which
// may be old, and it refuses what the intent's state does not allow: unless the answer
// says that all is as wished, the intent is read.
func (g *Stripe) now(ctx context.Context, id string, said *stripe.PaymentIntent, err error, wished stripe.PaymentIntentStatus) (*stripe.PaymentIntent, error) {
	if err == nil && said.Status == wished {
		return said, nil
	}
	if err != nil && codeOf(err) != stripe.ErrorCodePaymentIntentUnexpectedState {
		return nil, stripeError(err)
	}
	pi, err := g.api.V1PaymentIntents.Retrieve(ctx, id, nil)
	return pi, stripeError(err)
}

// Void implements Gateway.
func (g *Stripe) Void(ctx context.Context, key string, r Reservation, ref string) error {
	if ref == "" {
		pi, err := g.intent(ctx, r)
		if errors.Is(err, errNoIntent) {
			return nil
		}
		if err != nil {
			return err
		}
		ref = pi.ID
	}
	pi, err := call(key, func(key string) (*stripe.PaymentIntent, error) {
		p := &stripe.PaymentIntentCancelParams{CancellationReason: stripe.String(string(voidReason))}
		p.SetIdempotencyKey(key)
		return g.api.V1PaymentIntents.Cancel(ctx, ref, p)
	})
	pi, err = g.now(ctx, ref, pi, err, stripe.PaymentIntentStatusCanceled)
	switch {
	case err != nil:
		return err
	case pi.Status == stripe.PaymentIntentStatusCanceled:
		return nil
	case pi.Status == stripe.PaymentIntentStatusSucceeded:
		return ErrClosed
	}
	return ErrPending
}

// voidReason tells our cancels from Stripe's own.
const voidReason = stripe.PaymentIntentCancellationReasonAbandoned

// Capture implements Gateway.
func (g *Stripe) Capture(ctx context.Context, key, ref string, amount money.Amount) error {
	pi, err := call(key, func(key string) (*stripe.PaymentIntent, error) {
		p := &stripe.PaymentIntentCaptureParams{AmountToCapture: stripe.Int64(int64(amount))}
		p.SetIdempotencyKey(key)
		return g.api.V1PaymentIntents.Capture(ctx, ref, p)
	})
	switch codeOf(err) {
	case stripe.ErrorCodeAmountTooLarge:
		return ErrAboveHold
	case stripe.ErrorCodeChargeExpiredForCapture:
		return declined(string(codeOf(err)))
	}
	pi, err = g.now(ctx, ref, pi, err, stripe.PaymentIntentStatusSucceeded)
	switch {
	case err != nil:
		return err
	case pi.Status == stripe.PaymentIntentStatusSucceeded && pi.AmountReceived != int64(amount):
		return refused("captured_otherwise")
	case pi.Status == stripe.PaymentIntentStatusSucceeded:
		return nil
	case pi.Status == stripe.PaymentIntentStatusProcessing:
		return ErrPending
	}
	return declined(string(pi.Status))
}

// Refund implements Gateway.
func (g *Stripe) Refund(ctx context.Context, key, ref string, amount money.Amount) error {
	r, err := call(key, func(key string) (*stripe.Refund, error) {
		p := &stripe.RefundCreateParams{PaymentIntent: &ref, Amount: stripe.Int64(int64(amount)), Metadata: map[string]string{keyName: keyOf(key)}}
		p.SetIdempotencyKey(key)
		return g.api.V1Refunds.Create(ctx, p)
	})
	if codeOf(err) == stripe.ErrorCodeChargeAlreadyRefunded {
		return nil
	}
	if err != nil {
		return stripeError(err)
	}
	if r.Status == stripe.RefundStatusPending { // or it was, when this was asked first
		if r, err = g.api.V1Refunds.Retrieve(ctx, r.ID, nil); err != nil {
			return stripeError(err)
		}
	}
	switch r.Status {
	case stripe.RefundStatusSucceeded:
		return nil
	case stripe.RefundStatusPending, stripe.RefundStatusRequiresAction:
		return ErrPending
	}
	return refused("refund_" + string(r.Status))
}

// Payout implements Gateway. One that was made is found by its group, however long ago.
func (g *Stripe) Payout(ctx context.Context, r Remittance) error {
	if r.Account == "" {
		return ErrNoAccount
	}
	for t, err := range g.api.V1Transfers.List(ctx, &stripe.TransferListParams{TransferGroup: &r.Key}) {
		if err != nil || t.TransferGroup == r.Key {
			return stripeError(err)
		}
	}
	_, err := call(r.Key, func(key string) (*stripe.Transfer, error) {
		p := &stripe.TransferCreateParams{
			Amount: stripe.Int64(int64(r.Amount)), Currency: stripe.String(strings.ToLower(money.Currency)),
			Destination: &r.Account, TransferGroup: &r.Key, Metadata: map[string]string{keyName: r.Key},
		}
		p.SetIdempotencyKey(key)
		return g.api.V1Transfers.Create(ctx, p)
	})
	return stripeError(err)
}

// maxFaults is how many such answers Stripe may repeat for one command in a day.
const maxFaults = 10

// call makes a request under a key. Stripe repeats its first answer for a day, also
// where that was a fault of its own or our balance was too small; the request is then
// made under a further key.
// That takes no money twice: an intent that is only made holds nothing, what is
// done with one is bound to its state, a charge is given back whole or not at all, and
// transfers are looked for first.
func call[T any](key string, do func(key string) (T, error)) (answer T, err error) {
	for n := range maxFaults {
		at := key
		if n > 0 {
			at += "#" + strconv.Itoa(n)
		}
		if answer, err = do(at); !repeatedFault(err) {
			break
		}
	}
	return answer, err
}

// keyOf returns the key under which a command was made first.
func keyOf(key string) string {
	first, _, _ := strings.Cut(key, "#")
	return first
}

func repeatedFault(err error) bool {
	var e *stripe.Error
	return errors.As(err, &e) && (e.HTTPStatusCode >= http.StatusInternalServerError || e.Code == stripe.ErrorCodeBalanceInsufficient) &&
		e.LastResponse != nil && e.LastResponse.Header.Get("Idempotent-Replayed") == "true"
}

// codeOf returns Stripe's word for what is wrong, if it says one.
func codeOf(err error) stripe.ErrorCode {
	var e *stripe.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// stripeError returns what an error of Stripe's means. What it says in words may hold
// personal data and is left out; the number of the request finds it at Stripe.
func stripeError(err error) error {
	var e *stripe.Error
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &e):
		var named *url.Error
		if errors.As(err, &named) {
			return unavailable("cannot be reached", named.Err)
		}
		return unavailable("gives an answer that cannot be read", nil)
	case e.Code == stripe.ErrorCodeBalanceInsufficient: // what was captured becomes ours to send days later
		return ErrPending
	case e.Type == stripe.ErrorTypeCard:
		return declined(cmp.Or(string(e.DeclineCode), string(e.Code), "card"))
	case e.HTTPStatusCode == http.StatusTooManyRequests, e.HTTPStatusCode == http.StatusConflict, e.HTTPStatusCode >= http.StatusInternalServerError:
		return unavailable(fmt.Sprintf("answers %d, request %s", e.HTTPStatusCode, e.RequestID), nil)
	}
	return refused(fmt.Sprintf("%s, request %s", cmp.Or(string(e.Code), e.Param, string(e.Type), strconv.Itoa(e.HTTPStatusCode)), e.RequestID))
}
