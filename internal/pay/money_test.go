package pay

import (
	"errors"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/fare"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/money"
)

// model is where the money of one settlement is, told in plain arithmetic.
type model struct {
	status  map[uuid.UUID]Status
	charged map[uuid.UUID]money.Amount

	shared, disputed, paid bool
	inSettlement           map[uuid.UUID]bool // when it was shared out, less what was refunded
}

func (m *model) sum(of func(order uuid.UUID) bool) (sum money.Amount) {
	for order, amount := range m.charged {
		if of(order) {
			sum += amount
		}
	}
	return sum
}

// Whatever is recorded in whatever order, also twice and from stale reads, the books
// come to what the model says, and every fen that went in has gone out or is there.
func TestMoneyIsWhereTheModelSays(t *testing.T) {
	s := newService(t)
	rapid.Check(t, func(rt *rapid.T) {
		r := newRun(t, rt, s)
		for range rapid.IntRange(1, 30).Draw(rt, "steps") {
			r.step()
			r.compare()
		}
		wantClean(rt, s)
	})
}

// run is one random life of a settlement of three orders.
type run struct {
	t      *testing.T
	rt     *rapid.T
	s      *Service
	m      *model
	bill   Bill
	before map[string]money.Amount // balances of accounts that runs share
	reads  map[uuid.UUID][]Payment // what runs of jobs have read, old and new
}

func newRun(t *testing.T, rt *rapid.T, s *Service) *run {
	r := &run{
		t: t, rt: rt, s: s, bill: Bill{ID: uuid.Must(uuid.NewV7()), Driver: uuid.Must(uuid.NewV7()), Departs: departs},
		before: map[string]money.Amount{}, reads: map[uuid.UUID][]Payment{},
		m: &model{status: map[uuid.UUID]Status{}, charged: map[uuid.UUID]money.Amount{}, inSettlement: map[uuid.UUID]bool{}},
	}
	for range 3 {
		hold := money.Amount(rapid.IntRange(1, 1000).Draw(rt, "hold"))
		order := open(t, s, hold)
		r.m.status[order] = None
		r.bill.Charges = append(r.bill.Charges, Charge{order, money.Amount(rapid.IntRange(1, int(hold)).Draw(rt, "charge"))})
	}
	for _, account := range []string{gatewayCash, gatewayHolds, platformRevenue} {
		r.before[account] = r.balance(account)
	}
	return r
}

// step lets one job record its outcome, or one request be granted.
func (r *run) step() {
	c := rapid.SampledFrom(r.bill.Charges).Draw(r.rt, "order")
	read, err := r.s.get(r.t.Context(), c.Order)
	if err != nil {
		r.rt.Fatal(err)
	}
	r.reads[c.Order] = append(r.reads[c.Order], read)
	p := rapid.SampledFrom(r.reads[c.Order]).Draw(r.rt, "as read")
	args := captureArgs{r.bill.ID, c.Order, c.Amount}
	switch rapid.SampledFrom([]string{"hold", "hold", "void", "capture", "capture", "fail", "share", "grant", "refund", "end", "pay"}).Draw(r.rt, "what") {
	case "hold":
		r.moves(c, p.Status, Held, func(tx *db.Tx) error { return r.s.held(tx, p, "ref "+c.Order.String()) })
	case "void":
		r.moves(c, p.Status, Voided, func(tx *db.Tx) error { return r.s.voided(tx, p) })
	case "capture":
		if !r.m.shared || p.Status == Owed { // a settlement is shared out when no capture is under way
			r.moves(c, p.Status, Captured, func(tx *db.Tx) error { return r.s.captured(tx, p, args) })
		}
	case "fail":
		if !r.m.shared {
			was := r.m.status[c.Order]
			r.moves(c, was, Owed, func(tx *db.Tx) error {
				if was != Held { // the hook looks by itself, and does nothing
					return errors.Join(r.s.captureFailed(tx, jobs.Failure{Err: ErrDeclined}, args), errNothing)
				}
				return r.s.captureFailed(tx, jobs.Failure{Err: ErrDeclined}, args)
			})
		}
	case "refund":
		r.moves(c, p.Status, Refunded, func(tx *db.Tx) error { return r.s.refunded(tx, p) })
	case "grant":
		r.grant(c.Order)
	default:
		r.settles()
	}
}

var errNothing = errors.New("nothing was to be done")

// moves tries a change of a payment by a run that has read it in a status. It must
// succeed when that is still the payment's and the table of statuses allows it.
func (r *run) moves(c Charge, read, to Status, record func(tx *db.Tx) error) {
	from := r.m.status[c.Order]
	if err := r.s.db.Tx(r.t.Context(), record); err != nil {
		if read == from && from.Can(to) {
			r.rt.Fatalf("%s → %s was refused: %v", from, to, err)
		}
		return
	}
	if !from.Can(to) {
		r.rt.Fatalf("%s → %s was recorded", from, to)
	}
	r.m.status[c.Order] = to
	if to == Captured || to == Owed {
		r.m.charged[c.Order] = c.Amount
	}
}

func (r *run) grant(order uuid.UUID) {
	var granted bool
	err := r.s.db.Tx(r.t.Context(), func(tx *db.Tx) (err error) {
		granted, err = r.s.GrantRefund(tx, order)
		return err
	})
	may := r.m.status[order] == Captured && r.m.shared && !r.m.disputed
	if granted != may {
		r.rt.Fatalf("a refund of what is %s was granted: %t, %v", r.m.status[order], granted, err)
	}
	if may {
		r.m.status[order] = Refunding
		delete(r.m.inSettlement, order)
	}
}

// settles takes the next step of the settlement, or one of those before it again.
func (r *run) settles() {
	tx := func(fn func(tx *db.Tx) error) bool { return r.s.db.Tx(r.t.Context(), fn) == nil }
	st, err := r.s.settlement(r.t.Context(), r.bill.ID)
	switch {
	case err != nil:
		sum := r.m.sum(func(uuid.UUID) bool { return true })
		if sum == 0 {
			return
		}
		args := shareOutArgs{r.bill.ID, r.bill.Driver, departs}
		if !tx(func(tx *db.Tx) error { return r.s.sharedOut(tx, args, sum) }) {
			r.rt.Fatal("it was not shared out")
		}
		if tx(func(tx *db.Tx) error { return r.s.sharedOut(tx, args, sum) }) {
			r.rt.Fatal("it was shared out twice")
		}
		r.m.shared = true
		for order := range r.m.charged {
			r.m.inSettlement[order] = true
		}
	case !r.m.disputed:
		inTx(r.t, r.s.db, func(tx *db.Tx) error {
			_, err := tx.Change("UPDATE settlements SET disputed_at = ? WHERE id = ?", r.s.clock.Now(), st.ID)
			return err
		})
		r.m.disputed = true
	default:
		if paid := tx(func(tx *db.Tx) error { return r.s.paidOut(tx, st) }); paid == (r.m.paid || st.Share == 0) && st.Share > 0 {
			r.rt.Fatalf("paid out %t, but before %t", paid, r.m.paid)
		}
		r.m.paid = true
	}
}

// compare holds the ledger against the model.
func (r *run) compare() {
	is := func(of ...Status) func(uuid.UUID) bool {
		return func(order uuid.UUID) bool {
			for _, s := range of {
				if r.m.status[order] == s {
					return true
				}
			}
			return false
		}
	}
	share, fee := fare.Split(r.m.sum(func(order uuid.UUID) bool { return r.m.inSettlement[order] }), 20)
	paid := money.Amount(0)
	if r.m.paid {
		paid = share
	}
	unshared := r.m.sum(func(uuid.UUID) bool { return !r.m.shared })
	for account, want := range map[string]money.Amount{
		gatewayCash:                  r.before[gatewayCash] + r.m.sum(is(Captured, Refunding)) - paid,
		platformRevenue:              r.before[platformRevenue] - fee,
		driverPayable(r.bill.Driver): paid - share,
		collected(r.bill.ID):         -unshared,
	} {
		if got := r.balance(account); got != want {
			r.rt.Fatalf("%s comes to %d, the model says %d", account, got, want)
		}
	}
}

func (r *run) balance(account string) (sum money.Amount) {
	err := r.s.db.Read(r.t.Context()).Raw("SELECT COALESCE(SUM(amount), 0) FROM ledger_entries WHERE account = ?", account).Scan(&sum).Error
	if err != nil {
		r.rt.Fatal(err)
	}
	return sum
}
