package sim

import (
	"context"
	"fmt"
	"time"

	"github.com/spotpool/spotpool/internal/clock"
)

// watch samples how long tasks wait in the server's queues until ctx ends.
func (d *day) watch(ctx context.Context) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		d.record.pass(d.elapsed())
		queues, err := d.operator.Within(watchEvery).Queues(ctx)
		if err != nil {
			continue
		}
		waits := map[string]time.Duration{}
		for _, q := range queues {
			waits[q.Name] = clock.App(d.Clock, time.Duration(q.Wait*float64(time.Second)))
		}
		d.record.queued(waits)
	}
}

// line says in one line how the day goes.
func (d *day) line() string {
	at := d.elapsed()
	d.record.mu.Lock()
	defer d.record.mu.Unlock()
	said := fmt.Sprintf("%s, %.0f %% of the day: %d trips offered, %d orders placed, %d trips on the road with %d orders aboard",
		dayTime(at), 100*min(1, at.Seconds()/d.Length.Seconds()), d.record.offering[""], d.record.placing[""], d.record.road, d.record.aboard)
	if d.record.waiting > 0 {
		said += fmt.Sprintf(", queues behind by %s", Seconds(d.record.waiting))
	}
	return said
}

// dayTime writes a moment of the day as clocks show it; what comes after midnight goes on.
func dayTime(at time.Duration) string {
	return fmt.Sprintf("%02d:%02d", int(at.Hours()), int(at.Minutes())%60)
}
