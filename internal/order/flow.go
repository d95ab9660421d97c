package order

import (
	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/match"
	"github.com/spotpool/spotpool/internal/notify"
	"github.com/spotpool/spotpool/internal/pay"
)

// Fulfil is how an order is carried out: find a trip, hold the fare, confirm,
// tell everyone in the car. When any of that fails, or the rider cancels, what
// was done is undone. A notice that cannot be written does not undo the order.
func Fulfil(id uuid.UUID) jobs.Flow {
	return jobs.Chain(
		match.FindTrip(id),
		pay.Hold(id),
		Confirm(id),
		jobs.Batch(
			notify.Rider(id, notify.Matched),
			notify.Driver(id, notify.Matched),
			notify.Others(id, notify.Joined),
		).AllowFailures(),
	).Catch(GiveUp(id))
}
