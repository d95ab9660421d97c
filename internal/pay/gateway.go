package pay

import (
	"context"
	"hash/fnv"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/fault"
	"github.com/spotpool/spotpool/internal/mishap"
	"github.com/spotpool/spotpool/internal/money"
)

// Gateway moves riders' and drivers' money. A call that is repeated with the same
// key has no further effect and gets the same answer. An error other than
// ErrDeclined may pass.
type Gateway interface {
	// Hold reserves amount under key and returns the gateway's name for the
	// hold. It returns ErrDeclined when the gateway refuses for good.
	Hold(ctx context.Context, key string, amount money.Amount) (ref string, err error)

	// Void releases what Hold reserved under key, and does nothing when it
	// reserved nothing. ref is what Hold returned, empty when its answer never
	// arrived. A Hold under the same key that arrives later is refused: it may
	// have been on its way for long, and nobody would release it.
	Void(ctx context.Context, key, ref string) error

	// Capture takes amount of what is held as ref, at most all of it, and releases
	// the rest. It returns ErrDeclined when nothing can be taken of it any more.
	Capture(ctx context.Context, key, ref string, amount money.Amount) error

	// Refund gives amount of what was captured from ref back.
	Refund(ctx context.Context, key, ref string, amount money.Amount) error

	// Payout sends amount to a driver's account.
	Payout(ctx context.Context, key string, driver uuid.UUID, amount money.Amount) error
}

// Sandbox is a gateway without money behind it. Whether a hold or a capture is declined
// follows from its key, so a repeat gets the same answer in every process; what goes
// wrong besides comes and goes from call to call. Without a book it keeps no state: a
// hold that arrives after its void then does no harm.
type Sandbox struct {
	Latency        time.Duration // how long each call takes
	DeclinePercent int           // of holds, and of captures, 0 to 100
	Mishaps        *mishap.Lot   // nil: no call goes wrong
	Book           *Book         // of what it has done; nil: it keeps none
}

// Hold implements Gateway.
func (g Sandbox) Hold(ctx context.Context, key string, amount money.Amount) (string, error) {
	err := g.call(ctx, func() error {
		if g.declines(key) {
			return ErrDeclined
		}
		return g.Book.hold(ctx, key, amount)
	})
	if err != nil {
		return "", err
	}
	return sandboxRef + key, nil
}

// Void implements Gateway.
func (g Sandbox) Void(ctx context.Context, key, _ string) error {
	return g.call(ctx, func() error { return g.Book.void(ctx, key) })
}

// Capture implements Gateway.
func (g Sandbox) Capture(ctx context.Context, key, ref string, amount money.Amount) error {
	return g.call(ctx, func() error {
		if g.declines(key) {
			return ErrDeclined
		}
		return g.Book.capture(ctx, key, ref, amount)
	})
}

// Refund implements Gateway.
func (g Sandbox) Refund(ctx context.Context, key, ref string, amount money.Amount) error {
	return g.call(ctx, func() error { return g.Book.refund(ctx, key, ref, amount) })
}

// Payout implements Gateway.
func (g Sandbox) Payout(ctx context.Context, key string, _ uuid.UUID, amount money.Amount) error {
	return g.call(ctx, func() error { return g.Book.payout(ctx, key, amount) })
}

// call takes the time of a call and makes it, unless it goes wrong.
func (g Sandbox) call(ctx context.Context, do func() error) error {
	t := time.NewTimer(g.Latency)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
	}
	return g.Mishaps.Call(errOutage, do)
}

var errOutage = fault.New(fault.Unavailable, "gateway_unavailable", "the payment gateway cannot be reached")

// declines reports whether what is asked under key is declined.
func (g Sandbox) declines(key string) bool {
	h := fnv.New64a()
	h.Write([]byte(key))
	return int(h.Sum64()%100) < g.DeclinePercent
}
