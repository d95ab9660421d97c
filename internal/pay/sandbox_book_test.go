package pay

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/db/dbtest"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/mishap"
	"github.com/spotpool/spotpool/internal/money"
)

// withBook is a sandbox that keeps a book.
func withBook(t *testing.T) (Sandbox, *db.DB) {
	t.Helper()
	d := dbtest.Open(t)
	return Sandbox{Book: NewBook(d, clock.System{})}, d
}

// lines returns an operation's lines: how many there are, what they come to, and how
// often they were asked for.
func (b *Book) lines(t *testing.T, op string) (n int, sum money.Amount, calls int) {
	t.Helper()
	var all []line
	if err := b.db.Read(t.Context()).Where("op = ?", op).Find(&all).Error; err != nil {
		t.Fatal(err)
	}
	for _, l := range all {
		sum, calls = sum+l.Amount, calls+l.Calls
	}
	return len(all), sum, calls
}

func TestTheSandboxHoldsItsCallersToTheirKeys(t *testing.T) {
	g, _ := withBook(t)
	hold := func(key string, amount money.Amount) error {
		_, err := g.Hold(t.Context(), Reservation{Key: key, Amount: amount})
		return err
	}
	void := func(key string) error { return g.Void(t.Context(), "", Reservation{Key: key}, "") }
	capture := func(key, hold string, amount money.Amount) error {
		return g.Capture(t.Context(), key, fmt.Sprintf(sandboxRef, 10_000, hold), amount)
	}
	refund := func(key, hold string, amount money.Amount) error {
		return g.Refund(t.Context(), key, fmt.Sprintf(sandboxRef, 10_000, hold), amount)
	}
	changed := errors.New("another amount")
	for i, step := range []struct {
		what string
		err  error
		want error
	}{
		{"hold", hold("h1", 500), nil},
		{"the same hold", hold("h1", 500), nil},
		{"the same key for more", hold("h1", 600), changed},
		{"more than is held", capture("c1", "h1", 501), ErrDeclined},
		{"capture", capture("c1", "h1", 400), nil},
		{"the same capture", capture("c1", "h1", 400), nil},
		{"a second capture of the hold", capture("c2", "h1", 10), ErrDeclined},
		{"what is captured is not held", void("h1"), ErrClosed},
		{"more than was taken", refund("r1", "h1", 401), ErrDeclined},
		{"refund", refund("r1", "h1", 400), nil},
		{"the same refund", refund("r1", "h1", 400), nil},
		{"a second refund", refund("r2", "h1", 1), ErrDeclined},
		{"what nobody holds", capture("c3", "h3", 1), ErrDeclined},
		{"hold to be released", hold("h4", 700), nil},
		{"release", void("h4"), nil},
		{"the same release", void("h4"), nil},
		{"what was released", capture("c4", "h4", 700), ErrDeclined},
		{"a hold after its release", hold("h4", 700), ErrDeclined},
		{"release of nothing", void("h5"), nil},
		{"a hold that was under way meanwhile", hold("h5", 800), ErrDeclined},
		{"payout", g.Payout(t.Context(), Remittance{Key: "p1", Amount: 320}), nil},
		{"the same payout", g.Payout(t.Context(), Remittance{Key: "p1", Amount: 320}), nil},
	} {
		if step.want == changed {
			if step.err == nil || errors.Is(step.err, ErrDeclined) {
				t.Errorf("step %d, %s: %v", i, step.what, step.err)
			}
		} else if !errors.Is(step.err, step.want) {
			t.Errorf("step %d, %s: %v, want %v", i, step.what, step.err, step.want)
		}
	}
	for op, want := range map[string]struct {
		n     int
		sum   money.Amount
		calls int
	}{opHold: {2, 1200, 3}, opVoid: {2, 700, 3}, opCapture: {1, 400, 2}, opRefund: {1, 400, 2}, opPayout: {1, 320, 2}} {
		if n, sum, calls := g.Book.lines(t, op); n != want.n || sum != want.sum || calls != want.calls {
			t.Errorf("%s: %d of %s by %d calls, want %+v", op, n, sum, calls, want)
		}
	}
}

// Of a capture and a release at the same time, one has an effect.
func TestTheSandboxDecidesRaces(t *testing.T) {
	g, _ := withBook(t)
	for range 20 {
		key := uuid.NewString()
		ref, err := g.Hold(t.Context(), Reservation{Key: key, Amount: 500})
		if err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for _, do := range []func(ctx context.Context) error{
			func(ctx context.Context) error { return g.Capture(ctx, "a "+key, ref, 400) },
			func(ctx context.Context) error { return g.Capture(ctx, "b "+key, ref, 300) },
			func(ctx context.Context) error { return g.Void(ctx, "", Reservation{Key: key}, ref) },
		} {
			all.Go(func() {
				if err := do(t.Context()); err != nil && !errors.Is(err, ErrDeclined) && !errors.Is(err, ErrClosed) {
					t.Error(err)
				}
			})
		}
		all.Wait()
	}
	captured, _, _ := g.Book.lines(t, opCapture)
	voided, _, _ := g.Book.lines(t, opVoid)
	if captured+voided != 20 {
		t.Errorf("%d captures and %d releases of 20 holds", captured, voided)
	}
}

// Whatever answers are lost, the gateway's book agrees with ours in the end, and each
// damage to it is found.
func TestTheGatewaysBookAgrees(t *testing.T) {
	e := startEngine(t, nil)
	book := NewBook(e.db, clock.System{})
	e.gateway = Sandbox{Mishaps: mishap.New(4, 0, 30), Book: book}
	kept, released := open(t, e.Service, 1200), open(t, e.Service, 300)
	e.run(jobs.Chain(Hold(kept)))
	e.run(jobs.Chain(Hold(released)))
	e.run(jobs.Chain(Void(released)))
	b := Bill{ID: uuid.Must(uuid.NewV7()), Driver: uuid.Must(uuid.NewV7()), Departs: e.clock.Now(), Charges: []Charge{{kept, 1000}}}
	e.run(jobs.Chain(Capture(b.ID, b.Charges[0]), ShareOut(b), EndDisputes(b.ID), Payout(b.ID)))
	wantClean(t, e.Service)
	var whole []line
	repeats := 0
	if err := e.db.Read(t.Context()).Find(&whole).Error; err != nil {
		t.Fatal(err)
	}
	for _, l := range whole {
		if l.Op != "lock" {
			repeats += l.Calls - 1
		}
	}
	if repeats == 0 {
		t.Error("no answer was lost: the seed proves nothing")
	}
	for _, tt := range []struct{ name, damage, want string }{
		{"nothing", "UPDATE sandbox_book SET calls = calls + 1", ""},
		{"a second capture", "INSERT INTO sandbox_book SELECT 'capture', 'again', hold, 1, 1, created_at FROM sandbox_book WHERE op = 'capture'", "in 2 captures"},
		{"a capture we know nothing of", "INSERT INTO sandbox_book SELECT 'capture', 'x', 'hold:nobody', 5, 1, created_at FROM sandbox_book WHERE op = 'capture'", "of cash"},
		{"a capture of another amount", "UPDATE sandbox_book SET amount = amount - 1 WHERE op = 'capture'", "taken 9.99 CNY"},
		{"a capture that is gone", "DELETE FROM sandbox_book WHERE op = 'capture'", "taken 0.00 CNY"},
		{"a release of what was captured", "INSERT INTO sandbox_book SELECT 'void', name, hold, amount, 1, created_at FROM sandbox_book WHERE op = 'hold' AND amount = 1200", "released 1 times"},
		{"a release that is gone", "DELETE FROM sandbox_book WHERE op = 'void'", "released 0 times"},
		{"a payout of another amount", "UPDATE sandbox_book SET amount = 1 WHERE op = 'payout'", "the gateway has sent 0.01 CNY"},
		{"a payout that is gone", "DELETE FROM sandbox_book WHERE op = 'payout'", "the gateway has sent 0.00 CNY"},
	} {
		inTx(t, e.db, func(tx *db.Tx) error { return tx.Exec(tt.damage).Error })
		found, err := e.GatewayAgrees(t.Context())
		if all := strings.Join(found, "\n"); err != nil || (all == "") != (tt.want == "") || !strings.Contains(all, tt.want) {
			t.Errorf("%s: found %q, %v; want %q", tt.name, all, err, tt.want)
		}
		inTx(t, e.db, func(tx *db.Tx) error {
			if err := tx.Exec("DELETE FROM sandbox_book").Error; err != nil {
				return err
			}
			return tx.Create(whole).Error
		})
	}
}
