package sim

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
)

const (
	pageSize     = 200
	pollPatience = 5 * time.Second
	pagePause    = 200 * time.Millisecond // so that following asks five times a second at most
)

// follow looks at the accepted orders every Poll until all of them have ended,
// or Wait has passed since sent was closed.
func (r *run) follow(ctx context.Context, sent <-chan struct{}) error {
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
			if err := r.look(ctx, r.record.toFollow(false)); err != nil {
				return err
			}
		}
		if sent == nil && r.record.now().open == 0 {
			return nil
		}
	}
}

// look reads what became of some orders. A server that is away is asked again
// at the next look; an operator that is turned away is an error.
func (r *run) look(ctx context.Context, orders []uuid.UUID) error {
	err := r.read(ctx, orders)
	switch statusOf(err) {
	case http.StatusUnauthorized, http.StatusForbidden:
		return fmt.Errorf("sim: following the orders: %w", err)
	}
	if err != nil && ctx.Err() == nil {
		r.Log.WarnContext(ctx, "cannot follow the orders", "code", CodeOf(err), "error", err)
	}
	return nil
}

// read reads the pages of the operators' list on which the wanted orders are,
// both newest first, and leaves out those in between as far as it knows them.
func (r *run) read(ctx context.Context, wanted []uuid.UUID) error {
	for len(wanted) > 0 {
		page, err := r.operator.Orders(ctx, pageSize, r.pages.above(wanted[0]))
		if err != nil {
			return err
		}
		at := r.elapsed()
		for _, o := range page.Items {
			r.record.saw(o, at)
		}
		if page.NextCursor == "" || len(page.Items) == 0 {
			return nil
		}
		last := page.Items[len(page.Items)-1].ID
		r.pages[last] = page.NextCursor
		for len(wanted) > 0 && !newer(last, wanted[0]) {
			wanted = wanted[1:]
		}
		if err := pause(ctx, pagePause); err != nil {
			return err
		}
	}
	return nil
}

// newer reports whether the list shows a before b: ids are UUIDv7, newest first.
func newer(a, b uuid.UUID) bool { return bytes.Compare(a[:], b[:]) > 0 }

// bookmarks are the cursors that pages of a list came with, by the last order of
// the page. A cursor goes on below that order, whatever is added above.
type bookmarks map[uuid.UUID]string

// above returns the lowest cursor whose page is not below an order; empty: the first page.
func (b bookmarks) above(id uuid.UUID) (cursor string) {
	var best uuid.UUID
	for last, c := range b {
		if newer(last, id) && (cursor == "" || newer(best, last)) {
			best, cursor = last, c
		}
	}
	return cursor
}
