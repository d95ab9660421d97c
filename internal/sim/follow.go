package sim

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
)

const (
	pageSize     = 200
	pollPatience = 5 * time.Second
)

// follow looks at the accepted orders every Poll until all of them have ended,
// or Wait has passed since sent was closed.
func (r *replay) follow(ctx context.Context, sent <-chan struct{}) error {
	tick := time.NewTicker(r.Poll)
	defer tick.Stop()
	var tooLate <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-sent:
			sent = nil
			tooLate = time.After(r.Wait)
		case <-tooLate:
			return nil
		case <-tick.C:
			if err := r.look(ctx); err != nil {
				return err
			}
		}
		if sent == nil && len(r.tally.open()) == 0 {
			return nil
		}
	}
}

// look asks once after all open orders: by pages while they are many, one by
// one when that takes fewer requests. A server that is away is asked again at
// the next look.
func (r *replay) look(ctx context.Context) error {
	open := r.tally.open()
	ask := r.lookAtPages
	if len(open) <= 1+r.tally.accepted()/pageSize {
		ask = r.lookAtEach
	}
	err := ask(ctx, open)
	switch statusOf(err) {
	case http.StatusUnauthorized, http.StatusForbidden:
		return fmt.Errorf("sim: following the orders: %w", err)
	}
	if err != nil && ctx.Err() == nil {
		r.Log.WarnContext(ctx, "cannot follow the orders", "code", CodeOf(err), "error", err)
	}
	return nil
}

// lookAtPages reads the list, newest first, until every open order was on it.
func (r *replay) lookAtPages(ctx context.Context, open map[uuid.UUID]bool) error {
	for cursor := ""; len(open) > 0; {
		page, err := r.operator.Orders(ctx, pageSize, cursor)
		if err != nil {
			return err
		}
		for _, o := range page.Items {
			delete(open, o.ID)
			r.saw(o)
		}
		if cursor = page.NextCursor; cursor == "" {
			return nil
		}
	}
	return nil
}

func (r *replay) lookAtEach(ctx context.Context, open map[uuid.UUID]bool) error {
	for id := range open {
		o, err := r.operator.Order(ctx, id)
		if err != nil {
			return err
		}
		r.saw(o)
	}
	return nil
}

func (r *replay) saw(o Order) {
	if r.tally.saw(o) {
		_ = r.bar.Add(1)
	}
}
