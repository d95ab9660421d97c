package order

import (
	"math"
	"time"

	"github.com/spotpool/spotpool/internal/money"
)

// The fare of one seat, in fen.
const (
	fareBase         = 600 // whatever the way
	farePerKilometre = 160
	farePerMinute    = 30
)

// fareOf returns the fare of an order: a base, the distance and the time of the
// direct way, for each seat. The parts are summed before one rounding, half up.
func fareOf(metres float64, d time.Duration, seats int) money.Amount {
	seat := fareBase + farePerKilometre*metres/1000 + farePerMinute*d.Minutes()
	return money.Amount(math.Floor(seat+0.5)) * money.Amount(seats)
}
