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
// first, or the commit fails, the flow may have been started nevertheless.
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

// startTogether starts flows in one transaction. When they cannot be written, each
// is tried by itself, so that one cannot keep the others from being started. When
// the commit fails, none is: its answer may be lost, and they would run twice.
func (c *core) startTogether(group []*starting) {
	written, err := c.startAll(group)
	var wg sync.WaitGroup
	for _, s := range group {
		if err == nil || written || len(group) == 1 {
			s.answer <- err
			continue
		}
		wg.Go(func() {
			_, err := c.startAll([]*starting{s})
			s.answer <- err
		})
	}
	wg.Wait()
}

// startAll starts flows in one transaction. written tells a commit that failed from
// flows that could not be written.
func (c *core) startAll(group []*starting) (written bool, err error) {
	flows := make([]Beginning, len(group))
	for i, s := range group {
		flows[i] = s.flow
	}
	ctx, cancel := context.WithTimeout(context.Background(), groupTimeout)
	defer cancel()
	err = c.db.Tx(ctx, func(tx *db.Tx) error {
		ids, err := (&Client{c}).StartAll(tx, flows...)
		for i := range ids {
			group[i].id = ids[i]
		}
		written = err == nil
		return err
	})
	return written, err
}
