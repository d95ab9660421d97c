package pay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/db/dbtest"
	"github.com/spotpool/spotpool/internal/fault"
	"github.com/spotpool/spotpool/internal/mishap"
	"github.com/spotpool/spotpool/internal/statechart"
)

func TestTransitions(t *testing.T) {
	all := []Status{None, Held, Captured, Owed, Voided, Lapsed, Refunding, Refunded}
	allowed := map[[2]Status]bool{
		{None, Held}: true, {Held, Captured}: true, {Held, Owed}: true, {Held, Voided}: true, {Held, Lapsed}: true, {Lapsed, Owed}: true,
		{Owed, Captured}: true, {Captured, Refunding}: true, {Refunding, Refunded}: true,
	}
	for _, from := range all {
		for _, to := range all {
			if got := from.Can(to); got != allowed[[2]Status{from, to}] {
				t.Errorf("%s → %s: %t", from, to, got)
			}
		}
	}
}

// The state machine in docs/architecture.md is the one of the code.
func TestTransitionsAreDocumented(t *testing.T) {
	statechart.Described(t, "Payment", "none", statechart.Words(next))
}

func newService(t *testing.T) *Service {
	t.Helper()
	return New(Deps{
		DB: dbtest.Open(t), Gateway: Sandbox{}, Clock: clock.NewFake(time.Date(2026, 5, 4, 8, 0, 0, 0, time.UTC)), Zone: time.UTC,
		Log: slog.New(slog.DiscardHandler), FeePercent: 20,
	})
}

func TestOpenAndOf(t *testing.T) {
	s := newService(t)
	order := open(t, s, 1500)
	stranger := uuid.Must(uuid.NewV7())
	found, err := s.Of(t.Context(), order, stranger)
	if err != nil || len(found) != 1 {
		t.Fatalf("got %v, %v", found, err)
	}
	p := found[order]
	if p.Status != None || p.Amount != 1500 || p.HoldRef != "" || !p.CreatedAt.Equal(s.clock.Now()) {
		t.Errorf("got %+v", p)
	}
	if found, err := s.Of(t.Context()); err != nil || len(found) != 0 {
		t.Errorf("of no orders: %v, %v", found, err)
	}
	err = s.db.Tx(t.Context(), func(tx *db.Tx) error { return s.Open(tx, order, p.RiderID, 1) })
	if !errors.Is(err, db.ErrDuplicate) {
		t.Errorf("a second payment of the order: %v", err)
	}
	err = s.db.Tx(t.Context(), func(tx *db.Tx) error { return s.Open(tx, stranger, p.RiderID, 0) })
	if fault.CodeOf(err) != "amount_not_positive" {
		t.Errorf("a payment of nothing: %v", err)
	}
}

// Whatever is recorded in whatever order, also twice and from stale reads, the
// ledger agrees with the payments.
func TestLedgerAlwaysAgrees(t *testing.T) {
	s := newService(t)
	rapid.Check(t, func(rt *rapid.T) {
		order := open(t, s, 900)
		var read []Payment
		for range rapid.IntRange(1, 6).Draw(rt, "steps") {
			p, err := s.get(t.Context(), order)
			if err != nil {
				rt.Fatal(err)
			}
			read = append(read, p)
			p = rapid.SampledFrom(read).Draw(rt, "read")
			record := s.voided
			if rapid.Bool().Draw(rt, "hold") {
				record = func(tx *db.Tx, p Payment) error { return s.held(tx, p, "ref "+p.OrderID.String()) }
			}
			_ = s.db.Tx(t.Context(), func(tx *db.Tx) error { return record(tx, p) })
		}
		wantClean(rt, s)
	})
}

func TestSandboxAnswersAKeyAlike(t *testing.T) {
	const keys, percent = 5000, 20
	declined := 0
	for i := range keys {
		key := fmt.Sprintf("hold:%s", uuid.NewSHA1(uuid.Nil, []byte{byte(i), byte(i >> 8)}))
		first, err := Sandbox{DeclinePercent: percent}.Hold(t.Context(), Reservation{Key: key, Amount: 1})
		again, errAgain := Sandbox{DeclinePercent: percent}.Hold(t.Context(), Reservation{Key: key, Amount: 1})
		if first != again || !errors.Is(errAgain, err) {
			t.Fatalf("%s: %q %v, then %q %v", key, first, err, again, errAgain)
		}
		if errors.Is(err, ErrDeclined) {
			declined++
		}
	}
	if share := 100 * declined / keys; share < percent-3 || share > percent+3 {
		t.Errorf("%d%% were declined, want about %d%%", share, percent)
	}
}

func TestSandboxOutageAndPatience(t *testing.T) {
	down := Sandbox{Mishaps: mishap.New(1, 100, 0)}
	if _, err := down.Hold(t.Context(), Reservation{Key: "k", Amount: 1}); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("hold in an outage: %v", err)
	}
	if err := down.Void(t.Context(), "k", Reservation{}, "r"); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("void in an outage: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (Sandbox{Latency: time.Hour}).Hold(ctx, Reservation{Key: "k", Amount: 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("a call that nobody waits for: %v", err)
	}
}

func TestChangeFromAStaleReadFails(t *testing.T) {
	s := newService(t)
	order := open(t, s, 900)
	read, err := s.get(t.Context(), order)
	if err != nil {
		t.Fatal(err)
	}
	hold := func(tx *db.Tx) error { return change(tx, read, Held, s.clock.Now(), "hold_ref = ?", "ref") }
	inTx(t, s.db, hold)
	if err := s.db.Tx(t.Context(), hold); err == nil {
		t.Error("the same change was made twice")
	}
	refund := func(tx *db.Tx) error { return change(tx, read, Refunded, s.clock.Now(), "") }
	if err := s.db.Tx(t.Context(), refund); !errors.Is(err, ErrClosed) {
		t.Errorf("none → refunded: %v", err)
	}
}
