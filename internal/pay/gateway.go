package pay

import (
	"context"
	"fmt"
	"hash/fnv"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/fault"
	"github.com/spotpool/spotpool/internal/mishap"
	"github.com/spotpool/spotpool/internal/money"
)

// Gateway moves riders' and drivers' money. A call that is repeated with the same
// key has no further effect and gets the same answer, or what has come of it since.
//
// ErrDeclined, ErrClosed, ErrAboveHold and ErrRefused are final. ErrPending says that
// the gateway has yet to decide, and any other error that it may not have heard: the
// call is made again later.
type Gateway interface {
	// Hold reserves money and returns the gateway's name for the hold. It returns
	// ErrDeclined when the gateway refuses for good.
	Hold(ctx context.Context, r Reservation) (ref string, err error)

	// Void releases what Hold reserved for r, and does nothing when it reserved
	// nothing. ref is what Hold returned, empty when its answer never arrived. A Hold
	// of the same key that arrives later is refused: it may have been on its way for
	// long, and nobody would release it. It returns ErrClosed when the money was taken.
	Void(ctx context.Context, key string, r Reservation, ref string) error

	// Capture takes amount of what is held as ref and releases the rest. It returns
	// ErrDeclined when nothing can be taken of it any more, and ErrAboveHold when
	// less than amount is held.
	Capture(ctx context.Context, key, ref string, amount money.Amount) error

	// Refund gives amount of what was captured from ref back.
	Refund(ctx context.Context, key, ref string, amount money.Amount) error

	// Payout sends a driver money.
	Payout(ctx context.Context, r Remittance) error
}

// Reservation is what is to be held, and on whom.
type Reservation struct {
	Key    string
	Amount money.Amount
	Payer  Payer
	Since  time.Time // before which the key was never used
}

// Payer is how the gateway knows who pays, and what with. Both are the gateway's own
// names, such as "cus_…" and "pm_…": the number of a card never comes here.
type Payer struct {
	Customer string
	Method   string // empty: the rider has named none
}

// Remittance is what is to be sent to a driver.
type Remittance struct {
	Key     string
	Driver  uuid.UUID
	Account string // the gateway's name for where the driver is paid; empty: the driver has named none
	Amount  money.Amount
}

// Sandbox is a gateway without money behind it. Whether a hold or a capture is declined
// follows from its key, so a repeat gets the same answer in every process; what goes
// wrong besides comes and goes from call to call. Without a book it keeps no state: a
// hold that arrives after its void then does no harm, nor does the void of what was captured.
type Sandbox struct {
	Latency        time.Duration // how long each call takes
	DeclinePercent int           // of holds, and of captures, 0 to 100
	Mishaps        *mishap.Lot   // nil: no call goes wrong
	Book           *Book         // of what it has done; nil: it keeps none
}

// sandboxRef is the sandbox's name for a hold, of an amount and a key: it tells Capture
// how much is held.
const sandboxRef = "sandbox:%d:%s"

// Hold implements Gateway.
func (g Sandbox) Hold(ctx context.Context, r Reservation) (string, error) {
	err := g.call(ctx, func() error {
		if g.declines(r.Key) {
			return ErrDeclined
		}
		return g.Book.hold(ctx, r.Key, r.Amount)
	})
	if err != nil {
		return "", err
	}
	return fmt.Sprintf(sandboxRef, r.Amount, r.Key), nil
}

// Void implements Gateway.
func (g Sandbox) Void(ctx context.Context, _ string, r Reservation, _ string) error {
	return g.call(ctx, func() error { return g.Book.void(ctx, r.Key) })
}

// Capture implements Gateway.
func (g Sandbox) Capture(ctx context.Context, key, ref string, amount money.Amount) error {
	held, hold := readRef(ref)
	return g.call(ctx, func() error {
		switch {
		case amount > held:
			return ErrAboveHold
		case g.declines(key):
			return ErrDeclined
		}
		return g.Book.capture(ctx, key, hold, amount)
	})
}

// Refund implements Gateway.
func (g Sandbox) Refund(ctx context.Context, key, ref string, amount money.Amount) error {
	_, hold := readRef(ref)
	return g.call(ctx, func() error { return g.Book.refund(ctx, key, hold, amount) })
}

// Payout implements Gateway.
func (g Sandbox) Payout(ctx context.Context, r Remittance) error {
	return g.call(ctx, func() error { return g.Book.payout(ctx, r.Key, r.Amount) })
}

// readRef returns the amount and the key of the hold that has a name. Names of before
// tell no amount: there is no bound then.
func readRef(ref string) (held money.Amount, key string) {
	parts := strings.SplitN(ref, ":", 3)
	if len(parts) == 3 {
		if n, err := strconv.ParseInt(parts[1], 10, 64); err == nil {
			return money.Amount(n), parts[2]
		}
	}
	return math.MaxInt64, strings.TrimPrefix(ref, "sandbox:")
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
	return g.Mishaps.Call(unavailable("cannot be reached", nil), do)
}

// declines reports whether what is asked under key is declined.
func (g Sandbox) declines(key string) bool {
	h := fnv.New64a()
	h.Write([]byte(key))
	return int(h.Sum64()%100) < g.DeclinePercent
}

// unavailable returns the error for a gateway that does not do its work. cause must
// hold no personal data.
func unavailable(why string, cause error) error {
	return fault.Wrap(cause, fault.Unavailable, "gateway_unavailable", "the payment gateway %s", why)
}

// refused is ErrRefused with the gateway's own word for why.
func refused(code string) error { return fmt.Errorf("%w (%s)", ErrRefused, code) }

// declined is ErrDeclined with the gateway's own word for why.
func declined(code string) error { return fmt.Errorf("%w (%s)", ErrDeclined, code) }
