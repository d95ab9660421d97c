package jobs

import (
	"context"
	"sync"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
)

// starting is a flow that is started by itself.
type starting struct {
	flow   Beginning
	id     uuid.UUID
	answer chan error
}

// StartNow is Start for a caller without a transaction: the flow is on disk when it
// returns. Flows that are started at the same time share a commit. When ctx ends
// first, the flow may have been started nevertheless.
func (c *Client) StartNow(ctx context.Context, s Subject, f Flow) (uuid.UUID, error) {
	if err := f.Check(); err != nil {
		return uuid.Nil, err
	}
	one := &starting{flow: Beginning{s, f}, answer: make(chan error, 1)}
	if !c.core.starts.add(one) {
		return uuid.Nil, errClosed
	}
	select {
	case err := <-one.answer:
		return one.id, err
	case <-ctx.Done():
		return uuid.Nil, ctx.Err()
	}
}

// startTogether starts flows in one transaction. When that fails, each is tried by
// itself, so that one cannot keep the others from being started.
func (c *core) startTogether(group []*starting) {
	start := func(some ...*starting) error {
		ctx, cancel := context.WithTimeout(context.Background(), groupTimeout)
		defer cancel()
		return c.db.Tx(ctx, func(tx *db.Tx) error {
			flows := make([]Beginning, len(some))
			for i, s := range some {
				flows[i] = s.flow
			}
			ids, err := (&Client{c}).StartAll(tx, flows...)
			for i := range ids {
				some[i].id = ids[i]
			}
			return err
		})
	}
	err := start(group...)
	var wg sync.WaitGroup
	for _, s := range group {
		if err == nil || len(group) == 1 {
			s.answer <- err
			continue
		}
		wg.Go(func() { s.answer <- start(s) })
	}
	wg.Wait()
}
