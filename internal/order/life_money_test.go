package order

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/money"
	"github.com/spotpool/spotpool/internal/notify"
	"github.com/spotpool/spotpool/internal/pay"
	"github.com/spotpool/spotpool/internal/trip"
)

// The money of a lifeModel, by docs/fares.md alone.

// drawFate draws how the bank deals with an order.
func (m *lifeModel) drawFate() *fate {
	draw := func(what string, mayDecline bool) call {
		c := call{}
		switch how := rapid.IntRange(0, 9).Draw(m.t, what); {
		case how < 2:
			c.fails = how + 1
		case how < 4:
			c.lost = how - 1
		case how == 4:
			c.declines = mayDecline
		}
		return c
	}
	return &fate{hold: draw("hold", true), capture: draw("capture", true), void: draw("void", false), refund: draw("refund", false)}
}

// prices works out what an order costs alone and pooled.
func prices(o Order) (solo, pooled money.Amount) {
	sum := 600*6000 + 160*6*int64(o.Metres) + 30*100*int64(o.Duration/time.Second) // fen / 6000
	seats := int64(o.Seats)
	return money.Amount(seats * ((sum + 3000) / 6000)), money.Amount(seats * ((sum*80 + 300_000) / 600_000))
}

// cancelFee is what it costs an order's rider to cancel now.
func (m *lifeModel) cancelFee(o *modelOrder) money.Amount {
	now := m.w.clock.Now()
	if o.status != Confirmed || o.lost || now.Sub(o.matched) <= 3*time.Minute {
		return 0
	}
	solo, _ := prices(o.Order)
	percent := money.Amount(0)
	switch left := o.promised.Sub(now); {
	case left >= time.Hour:
		percent = 10
	case left >= 30*time.Minute:
		percent = 20
	case left >= 15*time.Minute:
		percent = 30
	case left >= 5*time.Minute:
		percent = 50
	case left >= -10*time.Minute:
		percent = 80
	}
	return (solo*percent + 50) / 100
}

// due is what an order that is over is to pay.
func (m *lifeModel) due(o *modelOrder) money.Amount {
	solo, pooled := prices(o.Order)
	switch {
	case o.status == Completed && m.shared(o):
		return pooled
	case o.status == Completed || o.status == NoShow:
		return solo
	}
	return o.fee
}

// divide gives a driver 80 and the platform 20 percent.
func divide(total money.Amount) (share, fee money.Amount) {
	share, fee = total*80/100, total*20/100
	if share+fee == total {
		return share, fee
	}
	if total*80%100 >= total*20%100 {
		return share + 1, fee
	}
	return share, fee + 1
}

// pass lets time go by. A hold that is decided at the departure is decided before it or after.
func (m *lifeModel) pass(d time.Duration) {
	until := m.w.clock.Now().Add(d)
	if m.status == trip.Open {
		for _, stop := range []time.Time{m.departs.Add(-time.Millisecond), m.departs} {
			if now := m.w.clock.Now(); stop.After(now) && !stop.After(until) {
				m.w.clock.Advance(stop.Sub(now))
				m.sync()
			}
		}
	}
	m.w.clock.Advance(until.Sub(m.w.clock.Now()))
	m.sync()
}

// sync runs the jobs that are due, and has the model follow what the bank has answered.
func (m *lifeModel) sync() {
	m.w.drain(m.t)
	now := m.w.clock.Now()
	for _, o := range m.orders {
		if o.status == Matched && o.fate.hold.refused {
			o.status = Cancelled
			m.leave(o)
		}
		if o.status == Matched && o.fate.hold.done {
			o.status = Confirmed
		}
		if o.fee > 0 && o.settled.IsZero() && (o.fate.capture.done || o.fate.capture.refused) {
			o.settled = now
		}
	}
	if m.status == trip.Open && !m.departs.After(now) {
		m.status = trip.Departed
	}
	open := func(o *modelOrder) bool { return m.due(o) > 0 && !o.fate.capture.done && !o.fate.capture.refused }
	if m.status == trip.Completed && m.settled.IsZero() && !slices.ContainsFunc(m.passengers(), open) {
		m.settled = now
	}
	m.balances()
}

// passengers are the orders that the trip is settled with.
func (m *lifeModel) passengers() (of []*modelOrder) {
	for _, o := range m.orders {
		if o.status == Completed || o.status == NoShow {
			of = append(of, o)
		}
	}
	return of
}

// refund has an operator give back what an order was charged.
func (m *lifeModel) refund() {
	o := m.some()
	if o == nil {
		return
	}
	settled := m.settled
	if o.fee > 0 {
		settled = o.settled
	}
	code := ""
	switch {
	case o.refunded:
	case m.due(o) == 0 || !o.fate.capture.done:
		code = "payment_closed"
	case settled.IsZero():
		code = "not_settled"
	case !m.w.clock.Now().Before(settled.Add(usual.DisputeWindow)):
		code = "disputes_over"
	}
	m.expect("refund", m.try(func(tx *db.Tx) error {
		granted, err := m.w.payments.GrantRefund(tx, o.ID)
		if err != nil || !granted {
			return err
		}
		return m.w.h.Client.Dispatch(tx, pay.Refund(o.ID), notify.About(o.ID, notify.Refunded))
	}), code)
	o.refunded = o.refunded || code == ""
}

func (m *lifeModel) balance(account string) (sum money.Amount) {
	m.must(account, m.w.h.DB.Read(context.Background()).Raw("SELECT COALESCE(SUM(amount), 0) FROM ledger_entries WHERE account LIKE ?", account).Scan(&sum).Error)
	return sum
}

// balances compares the ledger with what the bank has told.
func (m *lifeModel) balances() {
	if len(m.bank.wrong) > 0 {
		m.t.Fatalf("the bank was asked for %v", m.bank.wrong)
	}
	for account, want := range map[string]money.Amount{"%": 0, "gateway:cash": m.bank.cash, "gateway:holds": m.bank.reserved(), "rider:%:holds": -m.bank.reserved()} {
		if got := m.balance(account); got != want {
			m.t.Fatalf("the ledger has %s on %s, want %s", got, account, want)
		}
	}
}

// finish lets the day end: a trip that is not over is abandoned, and all is paid.
func (m *lifeModel) finish() {
	late := func() { // retries of the bank's errors take minutes at most
		for range 4 {
			m.pass(10 * time.Minute)
		}
	}
	m.pass(max(0, m.trip().DepartAt.Sub(m.w.clock.Now())))
	late()
	m.pass(max(0, m.trip().ArriveAt.Add(trip.AbandonedAfter).Sub(m.w.clock.Now())))
	m.w.h.Dispatch(findAbandonedKind.New(struct{}{}))
	m.abandon()
	m.sync()
	late()
	m.check()
	m.refund()
	m.pass(usual.DisputeWindow)
	late()
	m.refund()
	m.check()
}

// abandon ends the trip of which nothing was heard any more.
func (m *lifeModel) abandon() {
	if m.status != trip.Departed {
		return
	}
	for _, s := range m.stops {
		switch {
		case s.over():
		case s.order.status == Riding:
			s.state = "made"
		default:
			s.state = "dropped"
		}
	}
	for _, o := range m.orders {
		switch o.status {
		case Riding:
			o.status = Completed
		case Matched, Confirmed:
			o.status = Cancelled
		}
	}
	m.status = trip.Completed
}

// money compares what became of everyone's money with the model, when all is over.
func (m *lifeModel) money() {
	var payouts, revenue, debts, cash, charged money.Amount
	settle := func(of ...*modelOrder) {
		var total money.Amount
		for _, o := range of {
			if !o.refunded {
				total += m.due(o)
			}
		}
		share, fee := divide(total)
		payouts, revenue = payouts+share, revenue+fee
	}
	settle(m.passengers()...)
	for _, o := range m.orders {
		if o.fee > 0 {
			settle(o)
		}
		due := m.due(o)
		want, taken, back := pay.None, money.Amount(0), money.Amount(0)
		switch {
		case due > 0 && o.refunded:
			want, taken, back = pay.Refunded, due, due
		case due > 0 && o.fate.capture.refused:
			want, debts = pay.Owed, debts+due
		case due > 0:
			want, taken, cash = pay.Captured, due, cash+due
		case o.fate.hold.done:
			want = pay.Voided
		}
		charged += due
		p, err := m.w.payments.Of(context.Background(), o.ID)
		m.must("read a payment", err)
		if solo, _ := prices(o.Order); p[o.ID].Status != want || p[o.ID].Amount != solo || p[o.ID].Charged != due {
			m.t.Fatalf("a payment of %s is %s with %s charged; want %s of %s for an order %s", p[o.ID].Amount, p[o.ID].Status, p[o.ID].Charged, want, due, o.status)
		}
		if f := o.fate; f.taken != taken || f.back != back || f.reserved != 0 && want != pay.Owed {
			m.t.Fatalf("the bank has taken %s and given back %s, %s reserved; want %s and %s", f.taken, f.back, f.reserved, taken, back)
		}
	}
	var paid money.Amount
	for _, amount := range m.bank.paid {
		paid += amount
	}
	if paid != payouts {
		m.t.Fatalf("the driver was paid %s, want %s", paid, payouts)
	}
	for account, want := range map[string]money.Amount{
		"gateway:cash": cash - payouts, "platform:revenue": -revenue, "driver:%": 0, "rider:%:debt": debts,
		"rider:%:refunds": 0, "settlement:%": 0, "rider:%:holds": 0,
	} {
		if got := m.balance(account); got != want {
			m.t.Fatalf("of %s charged, the ledger has %s on %s, want %s", charged, got, account, want)
		}
	}
}

// Whatever driver, riders, operators and the bank do, in whatever order: seats, stops,
// orders and everyone's money are as the model has them, what may not be is refused
// with its code, and changes nothing.
func TestLivesOfATrip(t *testing.T) {
	at := newBank()
	w := newSyncWorld(t, at)
	rapid.Check(t, func(t *rapid.T) {
		w.forget()
		*at = *newBank()
		seats := rapid.IntRange(1, 6).Draw(t, "seats of the trip")
		m := &lifeModel{w: w, t: t, bank: at, status: trip.Open, seats: seats, orders: map[uuid.UUID]*modelOrder{}}
		m.departs = w.clock.Now().Add(time.Duration(rapid.IntRange(10, 90).Draw(t, "minutes to the departure")) * time.Minute).UTC().Truncate(time.Microsecond)
		m.must("offer", m.try(func(tx *db.Tx) error {
			made, err := w.trips.Offer(tx, trip.Offer{DriverID: uuid.New(), Origin: place(0), Dest: new(place(30)), DepartAt: m.departs, Seats: seats})
			m.id = made.ID
			return err
		}))
		m.sync()
		leaves := rapid.IntRange(4, 16).Draw(t, "leaves after")
		for i := range leaves + rapid.IntRange(0, 40).Draw(t, "steps on the way") {
			if i == leaves {
				m.setOut()
			}
			m.pass(time.Duration(rapid.IntRange(0, 6).Draw(t, "minutes")) * time.Minute)
			does := []func(){m.join, m.join, m.join, m.join, m.cancel, m.setSeats, m.act, m.refund}
			if i > leaves {
				does = []func(){m.act, m.act, m.act, m.act, m.act, m.act, m.act, m.act, m.act, m.act, m.act, m.cancel, m.complete, m.setOut, m.join, m.setSeats, m.refund}
			}
			if rapid.IntRange(0, 99).Draw(t, "the driver calls off") == 50 { // small numbers are drawn more often
				does = []func(){m.cancelTrip}
			}
			does[rapid.IntRange(0, len(does)-1).Draw(t, "does")]()
			m.sync()
			m.check()
		}
		m.finish()
		m.money()
		w.audit(t)
	})
}
