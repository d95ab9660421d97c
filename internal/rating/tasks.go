package rating

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/notify"
)

// remindAfter is how long after a ride those who have not rated it are reminded.
const remindAfter = time.Hour

type orderArgs struct {
	Order uuid.UUID `json:"order_id"`
}

// It waits for an hour: the order may be gone by then, and its notices with it.
var remindKind = jobs.Kind[orderArgs]{
	Name: "rating:remind", Queue: "notify", Tries: 8,
	Backoff: jobs.Exponential(time.Second, time.Minute), Timeout: 10 * time.Second,
	Tags: func(a orderArgs) []string { return []string{"order:" + a.Order.String()} },
}

// Remind returns the job that, an hour from now, reminds those parties of an order
// who have not rated each other by then. It is skipped when both have.
func Remind(order uuid.UUID) jobs.Job { return remindKind.New(orderArgs{order}).In(remindAfter) }

// Register attaches the handlers of this package's jobs.
func (s *Service) Register(r *jobs.Registry) { jobs.Handle(r, remindKind, s.remind) }

func (s *Service) remind(ctx context.Context, a *jobs.Attempt, args orderArgs) error {
	return a.Done(ctx, func(tx *db.Tx) error {
		given, err := of(tx.DB, args.Order)
		if err != nil {
			return err
		}
		rated := func(p Party) bool { return slices.ContainsFunc(given, func(r Rating) bool { return r.Party == p }) }
		var asked []jobs.Job
		if !rated(Rider) {
			asked = append(asked, notify.To(notify.ToRider, args.Order, notify.Rate))
		}
		if !rated(Driver) {
			asked = append(asked, notify.To(notify.ToDriver, args.Order, notify.Rate))
		}
		if len(asked) == 0 {
			return jobs.Skip("both have rated")
		}
		return s.queue.Dispatch(tx, asked...)
	})
}
