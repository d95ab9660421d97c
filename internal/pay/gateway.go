package pay

import (
	"context"
	"hash/fnv"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/fault"
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

// Sandbox is a gateway without money behind it. It keeps no state: whether a
// hold or a capture is declined follows from its key, so a repeat gets the same
// answer in every process; outages come and go from call to call. Without money, a
// hold that arrives after its void does no harm.
type Sandbox struct {
	Latency        time.Duration // how long each call takes
	DeclinePercent int           // of holds, and of captures, 0 to 100
	OutagePercent  int           // of calls, 0 to 100
}

// Hold implements Gateway.
func (g Sandbox) Hold(ctx context.Context, key string, _ money.Amount) (string, error) {
	if err := g.decide(ctx, key); err != nil {
		return "", err
	}
	return "sandbox:" + key, nil
}

// Void implements Gateway.
func (g Sandbox) Void(ctx context.Context, _, _ string) error { return g.travel(ctx) }

// Capture implements Gateway.
func (g Sandbox) Capture(ctx context.Context, key, _ string, _ money.Amount) error {
	return g.decide(ctx, key)
}

// Refund implements Gateway.
func (g Sandbox) Refund(ctx context.Context, _, _ string, _ money.Amount) error { return g.travel(ctx) }

// Payout implements Gateway.
func (g Sandbox) Payout(ctx context.Context, _ string, _ uuid.UUID, _ money.Amount) error {
	return g.travel(ctx)
}

// decide answers a call that may be declined.
func (g Sandbox) decide(ctx context.Context, key string) error {
	if err := g.travel(ctx); err != nil {
		return err
	}
	if percentile(key) < g.DeclinePercent {
		return ErrDeclined
	}
	return nil
}

// travel takes the time of a call and decides whether the gateway can be reached.
func (g Sandbox) travel(ctx context.Context) error {
	t := time.NewTimer(g.Latency)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
	}
	if rand.IntN(100) < g.OutagePercent {
		return fault.New(fault.Unavailable, "gateway_unavailable", "the payment gateway cannot be reached")
	}
	return nil
}

// percentile maps key evenly onto 0 to 99.
func percentile(key string) int {
	h := fnv.New64a()
	h.Write([]byte(key))
	return int(h.Sum64() % 100)
}
