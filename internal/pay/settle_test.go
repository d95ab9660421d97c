package pay

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/money"
)

var departs = time.Date(2026, 5, 3, 12, 0, 0, 0, time.UTC) // on aDay

// billOf is a bill of a driver's for orders whose fares are held, and their amounts.
func (e *engine) billOf(t *testing.T, amounts ...money.Amount) Bill {
	t.Helper()
	b := Bill{ID: uuid.Must(uuid.NewV7()), Driver: uuid.Must(uuid.NewV7()), Departs: departs}
	for _, amount := range amounts {
		order := open(t, e.Service, 1000)
		if how := e.run(jobs.Chain(Hold(order))); how != "done" {
			t.Fatalf("hold ended %q", how)
		}
		b.Charges = append(b.Charges, Charge{order, amount})
	}
	return b
}

// captures and share is what a settlement begins with, and pays how it ends.
func captureAndShare(b Bill) jobs.Flow {
	var captures []jobs.Job
	for _, c := range b.Charges {
		captures = append(captures, Capture(b.ID, c))
	}
	return jobs.Chain(jobs.BatchOf(captures).AllowFailures(), ShareOut(b))
}

func pays(b Bill) jobs.Flow { return jobs.Chain(EndDisputes(b.ID), Payout(b.ID)) }

// balances are what accounts come to.
func (e *engine) balances(t *testing.T, accounts ...string) (sums []money.Amount) {
	t.Helper()
	sums = make([]money.Amount, len(accounts))
	inTx(t, e.db, func(tx *db.Tx) (err error) {
		for i, account := range accounts {
			if sums[i], err = balance(tx, account); err != nil {
				return err
			}
		}
		return nil
	})
	return sums
}

func (e *engine) wantBalances(t *testing.T, want map[string]money.Amount) {
	t.Helper()
	for account, amount := range want {
		if got := e.balances(t, account)[0]; got != amount {
			t.Errorf("%s comes to %d fen, want %d", account, got, amount)
		}
	}
}

func (e *engine) settledOf(t *testing.T, driver uuid.UUID) Settled {
	t.Helper()
	sum, err := e.Settled(t.Context(), driver, aDay)
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

// However often its jobs run, a settlement moves its money once.
func TestASettlementMovesMoneyOnce(t *testing.T) {
	gateway := newVault(nil)
	e := startEngine(t, gateway)
	b := e.billOf(t, 1000, 333)
	for range 2 {
		if how := e.run(captureAndShare(b)); how != "done" {
			t.Fatalf("ended %q", how)
		}
		if n, _ := gateway.holds(); n != 0 || gateway.cash() != 1333 {
			t.Errorf("the gateway holds %d and has %s", n, gateway.cash())
		}
		if got, want := e.settledOf(t, b.Driver), (Settled{Rides: 2, Fares: 1333, Fee: 267, Share: 1066}); got != want {
			t.Errorf("settled %+v, want %+v", got, want)
		}
		e.wantBalances(t, map[string]money.Amount{
			gatewayHolds: 0, gatewayCash: 1333, driverPayable(b.Driver): -1066, platformRevenue: -267, collected(b.ID): 0,
		})
		wantClean(t, e.Service)
	}
	for range 2 {
		if how := e.run(pays(b)); how != "done" {
			t.Fatalf("ended %q", how)
		}
		if gateway.cash() != 267 {
			t.Errorf("the gateway has %s", gateway.cash())
		}
		if got := e.settledOf(t, b.Driver); got.PaidOut != 1066 {
			t.Errorf("settled %+v", got)
		}
		e.wantBalances(t, map[string]money.Amount{gatewayCash: 267, driverPayable(b.Driver): 0, platformRevenue: -267})
		wantClean(t, e.Service)
	}
	for _, key := range []string{"capture:" + b.Charges[0].Order.String(), "capture:" + b.Charges[1].Order.String(), "payout:" + b.ID.String()} {
		if gateway.moved[key] == 0 {
			t.Errorf("the gateway knows nothing by the name of %s", key)
		}
	}
	held, charged, taken, err := e.Charged(t.Context(), b.Charges[1].Order)
	if held != 1000 || charged != 333 || !taken || err != nil {
		t.Errorf("charged %s of %s, taken %t, %v", charged, held, taken, err)
	}
	fares, fee, share, err := e.Earned(t.Context(), b.ID)
	if fares != 1333 || fee != 267 || share != 1066 || err != nil {
		t.Errorf("earned %s of %s, less %s, %v", share, fares, fee, err)
	}
	if how := e.run(jobs.Chain(Void(b.Charges[0].Order))); how != "payment_closed" {
		t.Errorf("a void of what was captured ended %q", how)
	}
}

// A charge that cannot be taken is owed and shared out all the same; a retry by hand
// that succeeds pays the debt.
func TestAFailedCaptureIsOwed(t *testing.T) {
	broken := true
	gateway := newVault(func(call int) error {
		if broken && call > 2 { // after the two holds
			return ErrDeclined
		}
		return nil
	})
	e := startEngine(t, gateway)
	b := e.billOf(t, 500, 700)
	flow := e.queue.Start(captureAndShare(b))
	v := e.queue.AwaitFlow(flow, "done")
	for _, c := range b.Charges {
		if got := status(t, e.Service, c.Order); got != Owed {
			t.Errorf("payment is %s, want owed", got)
		}
	}
	p, err := e.get(t.Context(), b.Charges[0].Order)
	if err != nil {
		t.Fatal(err)
	}
	e.wantBalances(t, map[string]money.Amount{
		gatewayHolds: 0, gatewayCash: 0, riderDebt(p.RiderID): 500, driverPayable(b.Driver): -960, platformRevenue: -240,
	})
	if !e.said.has("a fare could not be taken and is owed") || !e.said.has(p.OrderID.String()) {
		t.Errorf("the log says %q", e.said.text.String())
	}
	if _, _, taken, err := e.Charged(t.Context(), p.OrderID); taken || err != nil {
		t.Errorf("taken %t, %v", taken, err)
	}
	wantClean(t, e.Service)

	broken = false
	for _, job := range v.Stages[0].Jobs {
		if err := e.queue.System.Admin().Retry(t.Context(), job.ID); err != nil {
			t.Fatal(err)
		}
	}
	e.queue.Await("both debts to be paid", func() bool {
		return status(t, e.Service, b.Charges[0].Order) == Captured && status(t, e.Service, b.Charges[1].Order) == Captured
	})
	e.wantBalances(t, map[string]money.Amount{gatewayCash: 1200, riderDebt(p.RiderID): 0, driverPayable(b.Driver): -960})
	wantClean(t, e.Service)
}

// A gateway that has not said no may have taken the money: it is asked again in an hour,
// however often that comes to nothing.
func TestACaptureWithoutAnAnswerIsTriedAgain(t *testing.T) {
	e := startEngine(t, newVault(nil))
	b := e.billOf(t, 500)
	order := b.Charges[0].Order
	silent := unavailable("does not answer", nil)
	for i, c := range []struct {
		cause error
		asked int // in all
	}{{silent, 1}, {silent, 2}, {fmt.Errorf("tried: %w", ErrDeclined), 2}, {ErrRefused, 2}} {
		before := e.clock.Now()
		err := e.db.Tx(t.Context(), func(tx *db.Tx) error {
			return e.captureFailed(tx, jobs.Failure{Err: c.cause}, captureArgs{b.ID, order, 500})
		})
		if err != nil {
			t.Fatal(err)
		}
		var asked int
		err = e.db.Read(t.Context()).Raw("SELECT COUNT(*) FROM jobs WHERE kind = 'pay:capture' AND due_at > ?", before.Add(50*time.Minute)).Scan(&asked).Error
		if err != nil || asked != c.asked {
			t.Errorf("%d, %v: %d captures are to come, want %d, %v", i, c.cause, asked, c.asked, err)
		}
		if got := status(t, e.Service, order); got != Owed {
			t.Errorf("%d: the payment is %s", i, got)
		}
	}
	if how := e.run(jobs.Chain(Capture(b.ID, b.Charges[0]))); how != "done" || status(t, e.Service, order) != Captured {
		t.Errorf("then: %q", how)
	}
	wantClean(t, e.Service)
}

func TestNoCaptureAboveItsHold(t *testing.T) {
	for _, amount := range []money.Amount{-1, 0, 1001} {
		gateway := newVault(nil)
		e := startEngine(t, gateway)
		b := e.billOf(t, amount)
		if how := e.run(jobs.Chain(Capture(b.ID, b.Charges[0]))); how != "amount_above_hold" {
			t.Errorf("%d fen: ended %q", amount, how)
		}
		if got := status(t, e.Service, b.Charges[0].Order); got != Held || gateway.cash() != 0 {
			t.Errorf("%d fen: payment is %s, the gateway has %s", amount, got, gateway.cash())
		}
		if how := e.run(jobs.Chain(ShareOut(b), EndDisputes(b.ID), Payout(b.ID))); how != "done" { // and finds nothing to do
			t.Errorf("%d fen: ended %q", amount, how)
		}
		wantClean(t, e.Service)
	}
}

// What an order was charged is given back, and nobody keeps a part of it.
func TestRefund(t *testing.T) {
	gateway := newVault(nil)
	e := startEngine(t, gateway)
	b := e.billOf(t, 1000, 333)
	order, other := b.Charges[0].Order, b.Charges[1].Order
	grant := func(order uuid.UUID) (granted bool, err error) {
		err = e.db.Tx(t.Context(), func(tx *db.Tx) (err error) {
			granted, err = e.GrantRefund(tx, order)
			return err
		})
		return granted, err
	}
	if _, err := grant(order); !errors.Is(err, ErrClosed) {
		t.Errorf("of a hold: %v", err)
	}
	e.run(jobs.Chain(Capture(b.ID, b.Charges[0]), Capture(b.ID, b.Charges[1])))
	if _, err := grant(order); !errors.Is(err, ErrNotSettled) {
		t.Errorf("before it is shared out: %v", err)
	}
	e.run(jobs.Chain(ShareOut(b)))
	for i := range 2 {
		if granted, err := grant(order); granted != (i == 0) || err != nil {
			t.Errorf("time %d: %t, %v", i, granted, err)
		}
		wantClean(t, e.Service)
	}
	if got, want := e.settledOf(t, b.Driver), (Settled{Rides: 1, Fares: 333, Fee: 67, Share: 266}); got != want {
		t.Errorf("settled %+v, want %+v", got, want)
	}
	for range 2 {
		if how := e.run(jobs.Chain(Refund(order))); how != "done" || gateway.cash() != 333 {
			t.Errorf("ended %q with %s at the gateway", how, gateway.cash())
		}
		wantClean(t, e.Service)
	}
	if got := status(t, e.Service, order); got != Refunded {
		t.Errorf("payment is %s", got)
	}
	e.run(pays(b))
	e.wantBalances(t, map[string]money.Amount{gatewayCash: 67, driverPayable(b.Driver): 0, platformRevenue: -67})
	if _, err := grant(other); !errors.Is(err, ErrDisputesOver) {
		t.Errorf("once the driver is paid: %v", err)
	}
	if how := e.run(jobs.Chain(Refund(other))); how != "payment_closed" {
		t.Errorf("a refund that nobody has granted ended %q", how)
	}
	wantClean(t, e.Service)
}

// A driver is not paid while the amount may still change.
func TestNoPayoutBeforeDisputesAreOver(t *testing.T) {
	gateway := newVault(nil)
	e := startEngine(t, gateway)
	b := e.billOf(t, 1000)
	e.run(captureAndShare(b))
	if how := e.run(jobs.Chain(Payout(b.ID))); how != "not_settled" || gateway.cash() != 1000 {
		t.Errorf("ended %q with %s at the gateway", how, gateway.cash())
	}
}

// Each case damages the books of a settlement that is done, in its own way; ? is its order.
func TestAuditFindsWhatIsWrongWithSettlements(t *testing.T) {
	const ledger, stuck, sums, above = "LedgerAgrees", "MoneyStuck", "LedgerBalances", "NoneAboveHold"
	e := startEngine(t, newVault(nil))
	for damage, want := range map[string]struct{ rule, says string }{
		`UPDATE payments SET charged = 999 WHERE order_id = ?`:                                                                                 {ledger, "with 9.99 CNY charged"},
		`UPDATE payments SET charged = 1001 WHERE order_id = ?`:                                                                                {above, "10.01 CNY charged of a payment of 10.00 CNY; by the ledger, 10.00 CNY taken of 10.00 CNY held"},
		`UPDATE ledger_entries SET amount = 1001 WHERE account = 'gateway:cash' AND posting = CONCAT('capture:', ?)`:                           {above, "10.01 CNY taken of 10.00 CNY held"},
		`DELETE FROM ledger_entries WHERE posting = CONCAT('hold:', ?)`:                                                                        {above, "10.00 CNY taken of 0.00 CNY held"},
		`UPDATE payments SET status = 'held' WHERE order_id = ?`:                                                                               {ledger, "is held"},
		`UPDATE payments SET status = 'owed' WHERE order_id = ?`:                                                                               {ledger, "is owed"},
		`UPDATE payments SET status = 'refunded' WHERE order_id = ?`:                                                                           {ledger, "is refunded"},
		`UPDATE settlements SET fares = 999 WHERE id = (SELECT settlement_id FROM payments WHERE order_id = ?)`:                                {ledger, "shares out 9.99"},
		`UPDATE settlements SET share = 799 WHERE id = (SELECT settlement_id FROM payments WHERE order_id = ?)`:                                {ledger, "as 7.99"},
		`UPDATE settlements SET paid_at = NULL WHERE id = (SELECT settlement_id FROM payments WHERE order_id = ?)`:                             {ledger, "off by 8.00"},
		`DELETE FROM settlements WHERE id = (SELECT settlement_id FROM payments WHERE order_id = ?)`:                                           {ledger, "postings where"},
		`DELETE FROM ledger_entries WHERE posting = CONCAT('settle:', (SELECT settlement_id FROM payments WHERE order_id = ?))`:                {ledger, "-10.00 CNY are left"},
		`UPDATE ledger_entries SET amount = amount + 1 WHERE account = 'gateway:cash' AND posting = CONCAT('capture:', ?)`:                     {sums, "the ledger sums to 0.01"},
		`UPDATE settlements SET paid_at = NULL, disputed_at = '2020-01-01' WHERE id = (SELECT settlement_id FROM payments WHERE order_id = ?)`: {stuck, "was not paid"},
		`UPDATE payments SET status = 'refunding', changed_at = '2020-01-01' WHERE order_id = ?`:                                               {stuck, "were not given back"},
		`UPDATE payments SET settlement_id = order_id, changed_at = '2020-01-01' WHERE order_id = ?`:                                           {stuck, "never shared out"},
	} {
		t.Run(damage, func(t *testing.T) {
			inTx(t, e.db, func(tx *db.Tx) error {
				for _, table := range []string{"payments", "settlements", "ledger_entries"} {
					if err := tx.Exec("DELETE FROM " + table).Error; err != nil {
						return err
					}
				}
				return nil
			})
			b := e.billOf(t, 1000)
			e.run(captureAndShare(b))
			e.run(pays(b))
			wantClean(t, e.Service)
			inTx(t, e.db, func(tx *db.Tx) error { return tx.Exec(damage, b.Charges[0].Order).Error })
			check := map[string]func(context.Context) ([]string, error){
				ledger: e.LedgerAgrees, stuck: e.MoneyStuck, sums: e.LedgerBalances, above: e.NoneAboveHold,
			}
			found, err := check[want.rule](t.Context())
			if all := strings.Join(found, "\n"); err != nil || !strings.Contains(all, want.says) {
				t.Errorf("%s found %q, %v; want %q", want.rule, all, err, want.says)
			}
		})
	}
}
