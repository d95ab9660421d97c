package order

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/spotpool/spotpool/internal/fault"
	"github.com/spotpool/spotpool/internal/money"
	"github.com/spotpool/spotpool/internal/pay"
)

// bank is a gateway that knows whose money it has, and says what it should not have
// been asked. Of each order it does what its fate says.
type bank struct {
	mu    sync.Mutex
	fates map[string]*fate // by order
	paid  map[string]money.Amount
	cash  money.Amount // that it told us of: taken, less given back and paid out
	row   int          // errors since it last answered
	wrong []string
}

// fate is how the bank deals with the money of one order.
type fate struct {
	hold, capture, void, refund call

	amount      money.Amount // of the hold
	reserved    money.Amount // of that
	taken, back money.Amount
	over        bool // was captured or voided
}

// call is how the bank answers one kind of request.
type call struct {
	fails    int // so often it cannot be reached
	lost     int // so often after that its answer is lost
	declines bool
	done     bool // it was answered with yes
	refused  bool // it was answered with no
}

var errBank = fault.New(fault.Unavailable, "gateway_unavailable", "the bank does not answer")

func newBank() *bank {
	return &bank{fates: map[string]*fate{}, paid: map[string]money.Amount{}}
}

// maxRow keeps the breaker, which knows the true time only, from opening.
const maxRow = 3

// answer has a call take effect, unless it fails. told runs when it was answered with
// yes for the first time.
func (b *bank) answer(c *call, effect, told func()) error {
	if c.fails > 0 && b.row < maxRow {
		c.fails--
		b.row++
		return errBank
	}
	if c.declines {
		b.row, c.refused = 0, true
		return pay.ErrDeclined
	}
	effect()
	if c.lost > 0 && b.row < maxRow {
		c.lost--
		b.row++
		return errBank
	}
	b.row = 0
	if !c.done {
		c.done = true
		told()
	}
	return nil
}

func (b *bank) of(key, kind string) *fate {
	id := strings.TrimPrefix(key, kind+":")
	if f := b.fates[id]; f != nil {
		return f
	}
	b.accuse("the key %s of a %s", key, kind)
	return &fate{}
}

func (b *bank) accuse(format string, args ...any) {
	b.wrong = append(b.wrong, fmt.Sprintf(format, args...))
}

func nothing() {}

// Hold implements pay.Gateway.
func (b *bank) Hold(_ context.Context, r pay.Reservation) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f := b.of(r.Key, "hold")
	if f.over {
		b.accuse("%s comes after its end", r.Key)
	}
	return "ref of " + r.Key, b.answer(&f.hold, func() { f.amount, f.reserved = r.Amount, r.Amount }, nothing)
}

// Void implements pay.Gateway.
func (b *bank) Void(_ context.Context, key string, r pay.Reservation, ref string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	f := b.of(r.Key, "hold")
	if f.taken > 0 || f.hold.done && ref == "" {
		b.accuse("a void of %s, reference %q, of which %s were taken", key, ref, f.taken)
	}
	return b.answer(&f.void, func() { f.reserved, f.over = 0, true }, nothing)
}

// Capture implements pay.Gateway.
func (b *bank) Capture(_ context.Context, key, ref string, amount money.Amount) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	f := b.of(key, "capture")
	again := f.taken > 0
	if again && f.taken != amount || !again && (f.over || amount <= 0 || amount > f.reserved) || !strings.HasPrefix(ref, "ref of hold:") {
		b.accuse("%s of %s by %q, of %s reserved and %s taken", key, amount, ref, f.reserved, f.taken)
	}
	return b.answer(&f.capture, func() { f.reserved, f.taken, f.over = 0, amount, true }, func() { b.cash += amount })
}

// Refund implements pay.Gateway.
func (b *bank) Refund(_ context.Context, key, _ string, amount money.Amount) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	f := b.of(key, "refund")
	if amount != f.taken {
		b.accuse("%s of %s, of %s taken", key, amount, f.taken)
	}
	return b.answer(&f.refund, func() { f.back = amount }, func() { b.cash -= amount })
}

// Payout implements pay.Gateway.
func (b *bank) Payout(_ context.Context, r pay.Remittance) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.paid[r.Key] != 0 {
		b.accuse("%s a second time", r.Key)
	}
	b.paid[r.Key] = r.Amount
	b.cash -= r.Amount
	return nil
}

// reserved is what the bank has told us to be held, less that of which it told the end.
func (b *bank) reserved() (sum money.Amount) {
	for _, f := range b.fates {
		if f.hold.done && !f.void.done && !f.capture.done && !f.capture.refused {
			sum += f.amount
		}
	}
	return sum
}
