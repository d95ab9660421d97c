// Package fare holds every rule about what a ride costs, as tables and pure
// functions over integer fen. docs/fares.md tells the same in words. It is a leaf
// because orders quote by these rules and payments share out by them.
package fare

import (
	"time"

	"github.com/spotpool/spotpool/internal/money"
)

// tariff is what one seat costs: so many fen for each so many units of a quantity.
var tariff = []struct {
	of       string
	fen, per int64
}{
	{"base", 600, 1}, // whatever the way
	{"distance", 160, 1000 /* metres */},
	{"time", 30, 60 /* seconds */},
}

// pooledPercent is what of the solo price a seat costs that shared a leg.
const pooledPercent = 80

// Price is what an order costs: Solo when its rider had the car alone (未拼成),
// Pooled when another order shared at least one leg of the ride (拼成).
type Price struct {
	Solo   money.Amount
	Pooled money.Amount
}

// Of returns the price of a direct way of whole metres and seconds, for a number of
// seats. Each price is worked out for one seat from the exact sum of the tariff,
// rounded once, half up, and taken so many times.
func Of(metres int, d time.Duration, seats int) Price {
	quantities := [...]int64{1, int64(metres), int64(d / time.Second)}
	sum, per := int64(0), int64(1)
	for _, part := range tariff {
		per *= part.per
	}
	for i, part := range tariff {
		sum += part.fen * quantities[i] * (per / part.per)
	}
	n := money.Amount(seats)
	return Price{Solo: n * round(sum, per), Pooled: n * round(sum*pooledPercent, per*100)}
}

// Due returns what a ride costs that is over.
func (p Price) Due(shared bool) money.Amount {
	if shared {
		return p.Pooled
	}
	return p.Solo
}

// NoShow returns what a ride costs whose rider did not come.
func (p Price) NoShow() money.Amount { return p.Solo }

// freeAfterMatch is how long an order costs nothing to cancel once it has its trip.
const freeAfterMatch = 3 * time.Minute

// cancelShares is what of the solo price a later cancel costs: of the first row whose
// time, or more, is left until the promised pickup. After the last one it is free:
// the driver is late.
var cancelShares = []struct {
	left    time.Duration
	percent int64
}{
	{60 * time.Minute, 10},
	{30 * time.Minute, 20},
	{15 * time.Minute, 30},
	{5 * time.Minute, 50},
	{-10 * time.Minute, 80},
}

// CancelFee returns what it costs a rider to cancel an order at a time that was
// matched and promised a pickup at others.
func (p Price) CancelFee(matched, pickup, at time.Time) money.Amount {
	if at.Sub(matched) <= freeAfterMatch {
		return 0
	}
	for _, share := range cancelShares {
		if pickup.Sub(at) >= share.left {
			return round(int64(p.Solo)*share.percent, 100)
		}
	}
	return 0
}

// Split divides what riders were charged: so many percent are the platform's fee, the
// rest is the driver's share. Both are rounded down and the fen that is left goes to
// the larger remainder, to the driver when they are equal; so they always add up.
func Split(total money.Amount, percent int) (share, fee money.Amount) {
	fee = (total*money.Amount(percent) + 49) / 100
	return total - fee, fee
}

// round returns the fraction sum/per in whole fen, half up.
func round(sum, per int64) money.Amount { return money.Amount((2*sum + per) / (2 * per)) }
