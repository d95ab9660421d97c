package pay

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/stripe/stripe-go/v84"
	"github.com/stripe/stripe-go/v84/webhook"
)

// stripeObject is what we look at of the intents, charges, refunds and disputes that
// Stripe's events are about.
type stripeObject struct {
	ID                 string                                 `json:"id"`
	Metadata           map[string]string                      `json:"metadata"`
	PaymentIntent      string                                 `json:"payment_intent"`
	Status             string                                 `json:"status"`
	CancellationReason stripe.PaymentIntentCancellationReason `json:"cancellation_reason"`
}

// Read implements Hook.
func (g *Stripe) Read(h http.Header, body []byte) (Event, error) {
	signature := h.Get("Stripe-Signature")
	// The package compares times with the system's clock; ours is given.
	if webhook.ValidatePayloadIgnoringTolerance(body, signature, g.config.WebhookSecret) != nil {
		return Event{}, ErrSignature
	}
	if err := checkSignedAt(signatureTime(signature), g.clock.Now()); err != nil {
		return Event{}, err
	}
	var in stripe.Event
	var about stripeObject
	if json.Unmarshal(body, &in) != nil || in.ID == "" || in.Data == nil {
		return Event{}, ErrUnreadable
	}
	err := json.Unmarshal(in.Data.Raw, &about)
	e := Event{EventID: in.ID, Name: string(in.Type)}
	e.Meaning, e.IdemKey, e.Ref = about.meaning(in.Type)
	if err != nil && e.Meaning != Nothing { // other types may hold what they like
		return Event{}, ErrUnreadable
	}
	if e.IdemKey == "" && e.Meaning != Contest && e.Meaning != Unasked {
		e.Meaning = Nothing // of something else that the account is used for
	}
	return e, nil
}

// signatureTime returns the time in a signature that was found to be good: of several
// the last, which is the one that Stripe's package has looked at.
func signatureTime(signature string) (at time.Time) {
	for part := range strings.SplitSeq(signature, ",") {
		if text, ok := strings.CutPrefix(part, "t="); ok {
			n, _ := strconv.ParseInt(text, 10, 64)
			at = time.Unix(n, 0)
		}
	}
	return at
}

// meaning returns what an event of a type is to us, and the command and hold it is about.
func (o stripeObject) meaning(t stripe.EventType) (m Meaning, key, ref string) {
	hold := o.Metadata[keyName] // of a refund, its own key
	switch t {
	case stripe.EventTypePaymentIntentAmountCapturableUpdated:
		return Decided, hold, o.ID
	case stripe.EventTypePaymentIntentPaymentFailed:
		// Of a confirmation mostly; what else waits asks by itself.
		return Decided, hold, o.ID
	case stripe.EventTypePaymentIntentSucceeded:
		return Decided, after("capture", hold), o.ID
	case stripe.EventTypePaymentIntentCanceled:
		if o.CancellationReason == voidReason {
			return Decided, after("void", hold), o.ID
		}
		return HoldOver, hold, o.ID
	case stripe.EventTypeRefundUpdated:
		return Decided, hold, o.PaymentIntent
	case stripe.EventTypeRefundFailed:
		return Unasked, hold, o.PaymentIntent
	case stripe.EventTypeRefundCreated:
		if hold == "" { // somebody gave the money back by hand
			return Unasked, "", o.PaymentIntent
		}
	case stripe.EventTypeChargeDisputeCreated:
		return Contest, "", o.PaymentIntent
	}
	return Nothing, "", ""
}

// after returns the key of a later command for the order of a hold.
func after(verb, hold string) string {
	if order, ok := strings.CutPrefix(hold, "hold:"); ok {
		return verb + ":" + order
	}
	return ""
}
