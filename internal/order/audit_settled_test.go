package order

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/pay"
	"github.com/spotpool/spotpool/internal/trip"
)

// harm is what is done to a ride that is settled, and what a rule says of it; nothing
// when that is no harm.
type harm struct {
	do   []string // @o is its order, @t its trip, @late more than an hour ago, @now less
	says string
}

// driven makes a trip of two orders that was driven and settled an hour ago, after a
// third was cancelled at a cost.
func (w *world) driven() (ride trip.Trip, rode, late Order) {
	w.t.Helper()
	w.forget()
	ride, on := w.ride(4, 3)
	w.clock.Advance(4 * time.Minute)
	late = w.cancelled(on[2])
	w.drain(w.t)
	w.tx(func(tx *db.Tx) error {
		_, err := w.SetOut(tx, ride.ID, uuid.Nil)
		return err
	})
	on = w.byPlan(ride)
	for _, a := range []trip.Act{trip.PickUp, trip.DropOff} {
		for _, o := range on {
			w.does(ride, o, a)
		}
	}
	w.drain(w.t)
	w.clock.Advance(time.Hour)
	w.drain(w.t)
	return ride, on[0], late
}

func TestAuditOfWhatIsSettled(t *testing.T) {
	const held = "UPDATE payments SET status = 'held', charged = 0, settlement_id = NULL WHERE order_id = @o"
	const over = "UPDATE trips SET changed_at = @late WHERE id = @t"
	w := newSyncWorld(t, pay.Sandbox{})
	for name, c := range map[string]struct{ once, settled harm }{
		"nothing":            {},
		"not charged":        {once: harm{[]string{held}, "its payment is held with 0.00 CNY charged by settlement none; the ledger has 0.00 CNY captured"}},
		"not charged yet":    {once: harm{[]string{held, "UPDATE trips SET changed_at = @now WHERE id = @t"}, ""}},
		"on the way still":   {once: harm{[]string{held, "UPDATE trips SET status = 'departed' WHERE id = @t"}, ""}},
		"released":           {once: harm{[]string{"UPDATE payments SET status = 'voided' WHERE order_id = @o"}, "is voided with"}},
		"no payment":         {once: harm{[]string{"DELETE FROM payments WHERE order_id = @o"}, "its payment is missing"}},
		"not in the ledger":  {once: harm{[]string{"DELETE FROM ledger_entries WHERE posting = CONCAT('capture:', @o)"}, "charged by settlement @t; the ledger has 0.00 CNY captured and 0.00 CNY owed"}},
		"captured and owed":  {once: harm{[]string{"INSERT INTO ledger_entries SELECT CONCAT('debt:', @o), account, amount, created_at FROM ledger_entries WHERE posting = CONCAT('capture:', @o)"}, "35.20 CNY captured and 35.20 CNY owed"}},
		"another amount":     {once: harm{[]string{"UPDATE payments SET charged = charged + 1 WHERE order_id = @o"}, "with 35.21 CNY charged"}},
		"another price":      {once: harm{[]string{"UPDATE orders SET fare_pooled = 1 WHERE id = @o"}, "is completed for 44.00 CNY or 0.01 CNY"}},
		"missed, and pooled": {once: harm{[]string{"UPDATE orders SET status = 'no_show' WHERE id = @o"}, "is no_show for"}},
		"another settlement": {once: harm{[]string{"UPDATE orders SET trip_id = @o WHERE id = @o"}, "charged by settlement @t"}},
		"another fee":        {once: harm{[]string{"UPDATE orders SET cancel_fee = 1 WHERE id = @o"}, "is completed for 0.01 CNY"}},

		"not settled":              {settled: harm{[]string{over, "DELETE FROM settlements WHERE id = @t", "DELETE FROM flows WHERE subject_id = @t"}, "is over with 2 orders of up to 88.00 CNY"}},
		"not settled, given up":    {settled: harm{[]string{over, "DELETE FROM settlements WHERE id = @t", "UPDATE flows SET state = 'failed' WHERE subject_id = @t"}, "neither settled nor being settled"}},
		"not settled yet":          {settled: harm{[]string{"UPDATE trips SET changed_at = @now WHERE id = @t", "DELETE FROM settlements WHERE id = @t", "DELETE FROM flows WHERE subject_id = @t"}, ""}},
		"being settled":            {settled: harm{[]string{over, "DELETE FROM settlements WHERE id = @t"}, ""}},
		"nobody to settle with":    {settled: harm{[]string{over, "DELETE FROM settlements WHERE id = @t", "DELETE FROM flows WHERE subject_id = @t", "UPDATE orders SET status = 'cancelled' WHERE trip_id = @t"}, ""}},
		"left and forgotten":       {settled: harm{[]string{"UPDATE trips SET status = 'departed', arrive_at = @stale WHERE id = @t"}, "was to end at"}},
		"left, about to be found":  {settled: harm{[]string{"UPDATE trips SET status = 'departed', arrive_at = @fresh WHERE id = @t"}, ""}},
		"to leave, and long ago":   {settled: harm{[]string{"UPDATE trips SET status = 'open', arrive_at = @stale WHERE id = @t"}, ""}},
		"called off, and long ago": {settled: harm{[]string{"UPDATE trips SET status = 'cancelled', arrive_at = @stale WHERE id = @t"}, ""}},
	} {
		t.Run(name, func(t *testing.T) {
			ride, o, _ := w.driven()
			w.audited()
			now := w.clock.Now()
			at := func(d time.Duration) any { return now.Add(-d) }
			named := map[string]any{
				"o": o.ID, "t": ride.ID, "late": at(settledWithin), "now": at(settledWithin - time.Second),
				"stale": at(trip.AbandonedAfter + settledWithin), "fresh": at(trip.AbandonedAfter + settledWithin - time.Second),
			}
			for _, rule := range []struct {
				harm
				check func() ([]string, error)
			}{{c.once, func() ([]string, error) { return w.ChargedOnce(t.Context()) }}, {c.settled, func() ([]string, error) { return w.TripsSettled(t.Context()) }}} {
				if rule.do == nil {
					continue
				}
				for _, query := range rule.do {
					w.exec(query, named)
				}
				says := strings.ReplaceAll(rule.says, "@t", ride.ID.String())
				lines, err := rule.check()
				all := strings.Join(lines, "\n")
				if err != nil || (all == "") != (says == "") || len(lines) > 1 || !strings.Contains(all, says) {
					t.Errorf("found %q, %v, want %q", all, err, says)
				}
				if says != "" && !strings.Contains(all, o.ID.String()) && !strings.Contains(all, ride.ID.String()) {
					t.Errorf("found %q, of another", all)
				}
			}
		})
	}
}

// What a late cancel costs is charged once too.
func TestAuditOfLateCancels(t *testing.T) {
	w := newSyncWorld(t, pay.Sandbox{})
	_, _, late := w.driven()
	since := func(d time.Duration) {
		w.exec("UPDATE payments SET status = 'held', charged = 0, settlement_id = NULL WHERE order_id = ?", late.ID)
		w.exec("UPDATE orders SET changed_at = ? WHERE id = ?", w.clock.Now().Add(-d), late.ID)
	}
	since(settledWithin - time.Second)
	if lines, err := w.ChargedOnce(t.Context()); err != nil || len(lines) > 0 {
		t.Errorf("within the hour: %v, %v", lines, err)
	}
	since(settledWithin)
	if lines, err := w.ChargedOnce(t.Context()); err != nil || len(lines) != 1 || !strings.Contains(lines[0], late.ID.String()+" is cancelled for "+late.Fee.String()) {
		t.Errorf("after it: %v, %v", lines, err)
	}
}

// A charge that was owed, and one that was given back, are charges.
func TestAuditOfDebtsAndRefunds(t *testing.T) {
	b := newBank()
	w := newSyncWorld(t, b)
	w.offer(4, w.clock.Now().Add(10*time.Minute))
	o := w.placed(w.person(), aWish())
	b.fates[o.ID.String()] = &fate{capture: call{declines: true}}
	w.drain(t)
	w.clock.Advance(4 * time.Minute)
	w.cancelled(w.get(o.ID))
	w.drain(t)
	if got := w.payment(o.ID); got != pay.Owed {
		t.Fatalf("its payment is %s", got)
	}
	w.audited()
	// The rider pays later, an operator having retried, and gets it back.
	b.fates[o.ID.String()].capture = call{}
	var failed []uuid.UUID
	if err := w.h.DB.Read(t.Context()).Raw("SELECT job_id FROM failed_jobs").Scan(&failed).Error; err != nil || len(failed) != 1 {
		t.Fatal(err)
	}
	if err := w.h.System.Admin().Retry(t.Context(), failed[0]); err != nil {
		t.Fatal(err)
	}
	w.drain(t)
	w.audited()
	w.tx(func(tx *db.Tx) error {
		_, err := w.payments.GrantRefund(tx, o.ID)
		return err
	})
	w.audited()
	w.h.Dispatch(pay.Refund(o.ID))
	w.drain(t)
	if got := w.payment(o.ID); got != pay.Refunded {
		t.Errorf("its payment is %s", got)
	}
	w.audited()
}
