package sim

import (
	"context"
	"time"
)

// watchEvery is the time between two samples.
const watchEvery = time.Second

// watch samples the server's queues and this process until ctx ends. While the
// server does not answer, its queues are not known.
func (r *run) watch(ctx context.Context) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	last, used := r.elapsed(), r.cpu()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		s := sampled{at: r.elapsed()}
		now := r.cpu()
		s.cpu = float64(now-used) / float64(max(s.at-last, time.Millisecond))
		last, used = s.at, now
		if queues, err := r.operator.Within(watchEvery).Queues(ctx); err == nil {
			s.queues = queues
		}
		if ctx.Err() == nil {
			r.record.sample(s)
		}
	}
}

func (r *run) cpu() time.Duration {
	if r.CPU == nil {
		return 0
	}
	return r.CPU()
}
