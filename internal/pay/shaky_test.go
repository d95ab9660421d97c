package pay

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
	"github.com/spotpool/spotpool/internal/money"
)

// shaky is a vault that is out of order now and then, before or after it has done
// what it was asked, and declines some keys for good.
type shaky struct {
	*vault
	rt       *rapid.T
	outages  map[string]int
	declined map[string]bool
	done     map[string]bool
}

func newShaky(rt *rapid.T) *shaky {
	return &shaky{newVault(nil), rt, map[string]int{}, map[string]bool{}, map[string]bool{}}
}

var errOut = errors.New("connection reset")

// try lets a call through, or not. What was done under a key once is never declined.
func (g *shaky) try(key string, do func() error) error {
	how := rapid.SampledFrom([]string{"well", "well", "well", "lost", "out", "declined"}).Draw(g.rt, key)
	if (how == "lost" || how == "out") && g.outages[key] == 4 { // fewer than any job has tries
		how = "well"
	}
	switch {
	case g.declined[key] || how == "declined" && !g.done[key] && g.outages[key] == 0:
		g.declined[key] = true
		return ErrDeclined
	case how == "out":
		g.outages[key]++
		return errOut
	}
	g.done[key] = true
	if err := do(); err != nil || how != "lost" {
		return err
	}
	g.outages[key]++
	return errOut
}

func (g *shaky) Hold(ctx context.Context, r Reservation) (ref string, err error) {
	err = g.try(r.Key, func() error { ref, err = g.vault.Hold(ctx, r); return err })
	return ref, err
}

func (g *shaky) Void(ctx context.Context, key string, r Reservation, ref string) error {
	return g.vault.Void(ctx, key, r, ref)
}

func (g *shaky) Capture(ctx context.Context, key, ref string, amount money.Amount) error {
	return g.try(key, func() error { return g.vault.Capture(ctx, key, ref, amount) })
}

// sends tries a call that is never declined.
func (g *shaky) sends(key string, do func() error) error {
	g.done[key] = true
	return g.try(key, do)
}

func (g *shaky) Refund(ctx context.Context, key, ref string, amount money.Amount) error {
	return g.sends(key, func() error { return g.vault.Refund(ctx, key, ref, amount) })
}

func (g *shaky) Payout(ctx context.Context, r Remittance) error {
	return g.sends(r.Key, func() error { return g.vault.Payout(ctx, r) })
}

// Whatever the gateway answers, however often jobs are delivered and flows started:
// the books agree with the gateway to the last fen, and nobody is charged twice.
func TestTheBooksAgreeWithTheGateway(t *testing.T) {
	h := jobstest.NewSync(t)
	s := New(Deps{DB: h.DB, Queue: h.Client, Clock: h.Clock, Zone: time.UTC, FeePercent: 20, Log: slog.New(slog.DiscardHandler)})
	s.register(h.Registry, func(next jobs.Handler) jobs.Handler { return next }) // outages are not throttled here
	books := func(account string) (sum money.Amount) {
		inTx(t, h.DB, func(tx *db.Tx) (err error) {
			sum, err = balance(tx, account)
			return err
		})
		return sum
	}
	work := func() { // until nothing is left to do
		for left := 1; left > 0; h.Clock.Advance(20 * time.Minute) {
			h.Drain()
			if err := h.DB.Read(t.Context()).Raw("SELECT COUNT(*) FROM jobs WHERE state = 'ready'").Scan(&left).Error; err != nil {
				t.Fatal(err)
			}
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		gateway := newShaky(rt)
		s.gateway = gateway
		cash := books(gatewayCash)
		b := Bill{ID: uuid.Must(uuid.NewV7()), Driver: uuid.Must(uuid.NewV7()), Departs: departs}
		for range rapid.IntRange(1, 3).Draw(rt, "orders") {
			hold := money.Amount(rapid.IntRange(1, 5000).Draw(rt, "hold"))
			order := open(t, s, hold)
			h.Start(jobs.Chain(Hold(order)).Catch(Void(order)))
			work()
			if status(t, s, order) == Held {
				b.Charges = append(b.Charges, Charge{order, money.Amount(rapid.IntRange(1, int(hold)).Draw(rt, "charge"))})
			}
		}
		if len(b.Charges) == 0 {
			return
		}
		for range rapid.IntRange(1, 2).Draw(rt, "settlements started") {
			h.Start(captureAndShare(b))
		}
		work()
		for _, c := range b.Charges {
			if rapid.Bool().Draw(rt, "refund") {
				_ = h.DB.Tx(t.Context(), func(tx *db.Tx) error {
					_, err := s.GrantRefund(tx, c.Order)
					return err
				})
				h.Dispatch(Refund(c.Order)) // also where none was granted
			}
		}
		for range rapid.IntRange(1, 2).Draw(rt, "payouts started") {
			h.Start(pays(b))
		}
		work()

		if got := books(gatewayCash) - cash; got != gateway.cash() {
			rt.Errorf("the gateway has %d fen, the books say %d", gateway.cash(), got)
		}
		for _, account := range []string{driverPayable(b.Driver), collected(b.ID)} {
			if left := books(account); left != 0 {
				rt.Errorf("%d fen are left on %s", left, account)
			}
		}
		for _, c := range b.Charges {
			if got := status(t, s, c.Order); got != Captured && got != Owed && got != Refunded {
				rt.Errorf("a payment ends as %s", got)
			}
		}
		wantClean(rt, s)
	})
}
