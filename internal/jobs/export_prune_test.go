package jobs

import (
	"context"
	"time"
)

// Prune deletes flows and single jobs that ended before a time, as RegisterPrune's job does.
func (s *System) Prune(ctx context.Context, ended time.Time) error {
	return s.core.prune(ctx, ended, time.Time{})
}
