package pay

import (
	"testing"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/money"
)

// What riders were charged is found again, wherever it is by now.
func TestBooksSayWhereTheMoneyIs(t *testing.T) {
	e := startEngine(t, nil)
	e.gateway = Sandbox{Book: NewBook(e.db, clock.System{})}
	said := func(when string, want Books, unsettled int) {
		t.Helper()
		got, err := e.Books(t.Context())
		left, err2 := e.Unsettled(t.Context())
		if got != want || left != unsettled || err != nil || err2 != nil {
			t.Errorf("%s: %+v, %d unsettled, %v, %v; want %+v, %d", when, got, left, err, err2, want, unsettled)
		}
		if in, out := got.In(), got.Out(); in != out {
			t.Errorf("%s: %s in, %s out", when, in, out)
		}
	}
	rides := []Charge{}
	for _, amount := range []money.Amount{1000, 2000} {
		order := open(t, e.Service, amount)
		e.run(jobs.Chain(Hold(order)))
		rides = append(rides, Charge{order, amount})
	}
	said("held", Books{Held: 3000}, 2)
	b := Bill{ID: uuid.Must(uuid.NewV7()), Driver: uuid.Must(uuid.NewV7()), Departs: e.clock.Now(), Charges: rides}
	e.run(jobs.Chain(Capture(b.ID, rides[0])))
	said("one is captured", Books{Held: 2000, Taken: 1000, Unshared: 1000}, 2)
	e.run(jobs.Chain(Capture(b.ID, rides[1]), ShareOut(b)))
	said("shared out", Books{Taken: 3000, Payable: 2400, Revenue: 600}, 1)
	e.run(jobs.Chain(EndDisputes(b.ID), Payout(b.ID)))
	said("paid", Books{Taken: 3000, PaidOut: 2400, Revenue: 600}, 0)
	if got, err := e.Said(t.Context()); got != (Said{Taken: 3000, PaidOut: 2400, Captures: 2}) || err != nil {
		t.Errorf("the gateway says %+v, %v", got, err)
	}
}
