package order

import (
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/match"
	"github.com/spotpool/spotpool/internal/notify"
	"github.com/spotpool/spotpool/internal/pay"
)

// Fulfil is how an order is carried out: find a trip before the time is up, hold the
// fare, confirm, which has everyone in the car told. When any of that fails, or the rider
// cancels, what was done is undone. An order that has lost its trip goes the same way
// once more; its fare is held already.
func Fulfil(id uuid.UUID, until time.Time) jobs.Flow {
	return jobs.Chain(
		match.FindTrip(id, until),
		pay.Hold(id),
		Confirm(id),
	).Catch(GiveUp(id))
}

// Settle is how a bill is settled: what each order is to pay is captured, driver and
// platform get their parts, everyone gets a receipt, and the driver is paid once
// nothing can be disputed any more. What cannot be captured is owed and keeps nothing
// from the others, and a receipt that cannot be written keeps no money.
func Settle(b pay.Bill, disputes time.Duration) jobs.Flow {
	captures, receipts := make([]jobs.Job, len(b.Charges)), make([]jobs.Job, len(b.Charges), len(b.Charges)+1)
	for i, c := range b.Charges {
		captures[i], receipts[i] = pay.Capture(b.ID, c), notify.Receipt(c.Order)
	}
	return jobs.Chain(
		jobs.BatchOf(captures).AllowFailures(),
		pay.ShareOut(b),
		jobs.BatchOf(append(receipts, notify.Earned(b.ID, b.Driver))).AllowFailures(),
		pay.EndDisputes(b.ID).In(disputes),
		pay.Payout(b.ID),
	)
}
