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

// round returns the fraction sum/per in whole fen, half up.
func round(sum, per int64) money.Amount { return money.Amount((2*sum + per) / (2 * per)) }
