package pay

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/db/dbtest"
	"github.com/spotpool/spotpool/internal/fault"
	"github.com/spotpool/spotpool/internal/mishap"
	"github.com/spotpool/spotpool/internal/money"
	"github.com/spotpool/spotpool/internal/pay/paytest"
)

// bench is a gateway with somebody behind it who can be looked at.
type bench struct {
	Gateway
	set        func(paytest.Mode)
	held, cash func() int64 // nil: it keeps no books
}

const gatewaySecret = "shared with the gateway"

// benches make the three adapters, each before something that keeps its side of the deal.
var benches = map[string]func(t *testing.T) bench{
	"sandbox": func(*testing.T) bench {
		g := &Sandbox{}
		return bench{Gateway: g, set: func(m paytest.Mode) {
			*g = Sandbox{}
			switch m {
			case paytest.Out, paytest.Lost:
				g.Mishaps = mishap.New(1, 100, 0)
			case paytest.Declines:
				g.DeclinePercent = 100
			}
		}}
	},
	"sandbox with a book": func(t *testing.T) bench {
		book := NewBook(dbtest.Open(t), clock.System{})
		g := &Sandbox{Book: book}
		sum := func(query string) func() int64 {
			return func() (n int64) {
				if err := book.db.Read(t.Context()).Raw(query).Scan(&n).Error; err != nil {
					t.Error(err)
				}
				return n
			}
		}
		return bench{g, func(m paytest.Mode) {
			*g = Sandbox{Book: book}
			switch m {
			case paytest.Out:
				g.Mishaps = mishap.New(1, 100, 0)
			case paytest.Lost:
				g.Mishaps = mishap.New(1, 0, 100)
			case paytest.Declines:
				g.DeclinePercent = 100
			}
		}, sum(`SELECT COALESCE(SUM(h.amount), 0) FROM sandbox_book h WHERE h.op = 'hold'
				AND NOT EXISTS (SELECT 1 FROM sandbox_book e WHERE e.hold = h.name AND e.op IN ('capture', 'void'))`),
			sum(`SELECT COALESCE(SUM(CASE op WHEN 'capture' THEN amount WHEN 'refund' THEN -amount WHEN 'payout' THEN -amount ELSE 0 END), 0) FROM sandbox_book`)}
	},
	"signed": func(t *testing.T) bench {
		service := paytest.New(t, gatewaySecret)
		return bench{signedAt(t, service.URL, clock.System{}), service.Set, service.Held, service.Cash}
	},
	"stripe": func(t *testing.T) bench {
		service := newFakeStripe(t)
		return bench{stripeAt(t, service.URL, clock.System{}), service.set, service.held, service.cash}
	},
}

func signedAt(t *testing.T, address string, clk clock.Clock) *Signed {
	t.Helper()
	g, err := NewSigned(address, gatewaySecret, clk)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func stripeAt(t *testing.T, address string, clk clock.Clock) *Stripe {
	t.Helper()
	g, err := NewStripe(StripeConfig{URL: address, Key: "sk_test_fake", WebhookSecret: "whsec_fake", Method: goodCard}, clk)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// wants fails the test unless the gateway holds and has so much.
func (b bench) wants(t *testing.T, held, cash int64) {
	t.Helper()
	if b.held != nil && (b.held() != held || b.cash() != cash) {
		t.Errorf("the gateway holds %d and has %d, want %d and %d", b.held(), b.cash(), held, cash)
	}
}

// order is one order's money.
type orderMoney struct {
	r                       Reservation
	void, capture, giveBack string
}

func newOrderMoney(amount money.Amount) orderMoney {
	id := uuid.Must(uuid.NewV7())
	return orderMoney{Reservation{Key: holdPosting(id), Amount: amount, Since: time.Now()}, voidPosting(id), capturePosting(id), refundPosting(id)}
}

func (b bench) hold(t *testing.T, o orderMoney) string {
	t.Helper()
	ref, err := b.Hold(t.Context(), o.r)
	if err != nil || ref == "" {
		t.Fatalf("hold %q: %v", ref, err)
	}
	return ref
}

func wantNil(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", what, err)
	}
}

func wantErr(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

// What every gateway does, whatever is behind it.
func TestEveryGatewayKeepsTheContract(t *testing.T) {
	rules := map[string]func(t *testing.T, b bench){
		"a hold that is repeated is the same hold": func(t *testing.T, b bench) {
			o := newOrderMoney(900)
			if first, again := b.hold(t, o), b.hold(t, o); first != again {
				t.Errorf("held as %s and as %s", first, again)
			}
			b.wants(t, 900, 0)
		},
		"a part is captured once, and the rest released": func(t *testing.T, b bench) {
			o := newOrderMoney(900)
			ref := b.hold(t, o)
			for range 2 {
				wantNil(t, "capture", b.Capture(t.Context(), o.capture, ref, 600))
				b.wants(t, 0, 600)
			}
		},
		"what is held is the most that is captured": func(t *testing.T, b bench) {
			o := newOrderMoney(900)
			wantErr(t, "capture", b.Capture(t.Context(), o.capture, b.hold(t, o), 901), ErrAboveHold)
			b.wants(t, 900, 0)
		},
		"all of a hold is released, once": func(t *testing.T, b bench) {
			o := newOrderMoney(900)
			ref := b.hold(t, o)
			for range 2 {
				wantNil(t, "void", b.Void(t.Context(), o.void, o.r, ref))
				b.wants(t, 0, 0)
			}
		},
		"nothing is captured of what was released": func(t *testing.T, b bench) {
			if b.held == nil {
				t.Skip("it keeps no books")
			}
			o := newOrderMoney(900)
			ref := b.hold(t, o)
			wantNil(t, "void", b.Void(t.Context(), o.void, o.r, ref))
			wantErr(t, "capture", b.Capture(t.Context(), o.capture, ref, 900), ErrDeclined)
			b.wants(t, 0, 0)
		},
		"what was captured is not released": func(t *testing.T, b bench) {
			if b.held == nil {
				t.Skip("it keeps no books")
			}
			o := newOrderMoney(900)
			ref := b.hold(t, o)
			wantNil(t, "capture", b.Capture(t.Context(), o.capture, ref, 900))
			wantErr(t, "void", b.Void(t.Context(), o.void, o.r, ref), ErrClosed)
			b.wants(t, 0, 900)
		},
		"a hold whose answer was lost is found by its key": func(t *testing.T, b bench) {
			o := newOrderMoney(900)
			b.set(paytest.Lost)
			if _, err := b.Hold(t.Context(), o.r); fault.KindOf(err) != fault.Unavailable {
				t.Errorf("hold: %v", err)
			}
			b.set(paytest.Well)
			wantNil(t, "void", b.Void(t.Context(), o.void, o.r, ""))
			b.wants(t, 0, 0)
		},
		"a hold whose answer was lost is made once": func(t *testing.T, b bench) {
			o := newOrderMoney(900)
			b.set(paytest.Lost)
			for range 3 {
				_, _ = b.Hold(t.Context(), o.r)
			}
			b.set(paytest.Well)
			b.hold(t, o)
			b.wants(t, 900, 0)
		},
		"a hold that comes after its void is refused": func(t *testing.T, b bench) {
			if b.held == nil {
				t.Skip("it keeps no books")
			}
			o := newOrderMoney(900)
			wantNil(t, "void", b.Void(t.Context(), o.void, o.r, ""))
			_, err := b.Hold(t.Context(), o.r)
			wantErr(t, "hold", err, ErrDeclined)
			b.wants(t, 0, 0)
		},
		"what was captured is given back once": func(t *testing.T, b bench) {
			o := newOrderMoney(900)
			ref := b.hold(t, o)
			wantNil(t, "capture", b.Capture(t.Context(), o.capture, ref, 600))
			for range 2 {
				wantNil(t, "refund", b.Refund(t.Context(), o.giveBack, ref, 600))
				b.wants(t, 0, 0)
			}
		},
		"a driver is paid once": func(t *testing.T, b bench) {
			r := Remittance{payoutPosting(uuid.Must(uuid.NewV7())), uuid.Must(uuid.NewV7()), "acct_1", 700}
			for range 2 {
				wantNil(t, "payout", b.Payout(t.Context(), r))
				b.wants(t, 0, -700)
			}
		},
		"a rider who cannot pay is declined": func(t *testing.T, b bench) {
			b.set(paytest.Declines)
			for range 2 {
				_, err := b.Hold(t.Context(), newOrderMoney(900).r)
				wantErr(t, "hold", err, ErrDeclined)
			}
			b.wants(t, 0, 0)
		},
		"an outage passes": func(t *testing.T, b bench) {
			o, p := newOrderMoney(900), newOrderMoney(800)
			ref := b.hold(t, o)
			r := Remittance{payoutPosting(uuid.Must(uuid.NewV7())), uuid.Must(uuid.NewV7()), "acct_1", 100}
			calls := func() (errs []error) {
				_, err := b.Hold(t.Context(), p.r)
				return []error{
					err, b.Capture(t.Context(), o.capture, ref, 500), b.Refund(t.Context(), o.giveBack, ref, 500), b.Payout(t.Context(), r),
					b.Void(t.Context(), p.void, p.r, ""),
				}
			}
			for range 2 {
				b.set(paytest.Out)
				for i, err := range calls() {
					if fault.KindOf(err) != fault.Unavailable || errors.Is(err, ErrPending) {
						t.Errorf("call %d in an outage: %v", i, err)
					}
				}
			}
			b.set(paytest.Well)
			for i, err := range calls() {
				wantNil(t, fmt.Sprintf("call %d", i), err)
			}
			b.wants(t, 0, -100)
		},
	}
	for name, rule := range rules {
		for adapter, bench := range benches {
			t.Run(adapter+"/"+name, func(t *testing.T) { rule(t, bench(t)) })
		}
	}
}
