package order

import (
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/match"
	"github.com/spotpool/spotpool/internal/notify"
	"github.com/spotpool/spotpool/internal/pay"
)

// Fulfil is how an order is carried out: find a trip before the time is up, hold
// the fare, confirm, tell everyone in the car. When any of that fails, or the rider
// cancels, what was done is undone. A notice that cannot be written does not undo
// the order. An order that has lost its trip goes the same way once more; its fare
// is held already.
func Fulfil(id uuid.UUID, until time.Time) jobs.Flow {
	return jobs.Chain(
		match.FindTrip(id, until),
		pay.Hold(id),
		Confirm(id),
		jobs.Batch(
			notify.Rider(id, notify.Matched),
			notify.Driver(id, notify.Matched),
			notify.Others(id, notify.Joined),
		).AllowFailures(),
	).Catch(GiveUp(id))
}
