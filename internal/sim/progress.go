package sim

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/schollz/progressbar/v3"
)

const (
	showEvery = 500 * time.Millisecond // on a terminal
	sayEvery  = 5 * time.Second        // elsewhere
)

// show tells how far a run of some length has gone until ctx ends: as a line that is
// redrawn on a terminal, as a line now and then elsewhere.
func show(ctx context.Context, w io.Writer, length time.Duration, elapsed func() time.Duration, line func() string) {
	every, say := sayEvery, func(line string) { fmt.Fprintln(w, line) }
	if isTerminal(w) {
		bar := progressbar.NewOptions64(int64(max(length, 1)),
			progressbar.OptionSetWriter(w),
			progressbar.OptionSetWidth(16),
			progressbar.OptionSetElapsedTime(false),
			progressbar.OptionSetPredictTime(false),
			progressbar.OptionClearOnFinish(),
		)
		defer func() { _ = bar.Finish() }()
		every, say = showEvery, func(line string) {
			bar.Describe(line)
			_ = bar.Set64(int64(min(elapsed(), length-1)))
		}
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			say(line())
		}
	}
}

// line says in one line how the run goes.
func (r *run) line() string {
	at, c := r.elapsed(), r.record.now()
	return fmt.Sprintf("%5s %s: sent %d, accepted %d, refused %d, confirmed %d, open %d, queued %d",
		at.Truncate(time.Second), r.phase(at), c.offered, c.accepted, c.refused, c.confirmed, c.open, c.queued)
}

// phase names what the plan does at a moment.
func (r *run) phase(at time.Duration) string {
	for i, s := range r.Plan.Steps {
		switch {
		case at < s.From:
			return fmt.Sprintf("up to %s", rateName(s.Rate))
		case at < s.To:
			return fmt.Sprintf("step %d/%d, %s", i+1, len(r.Plan.Steps), rateName(s.Rate))
		}
	}
	return "waiting for the last"
}

// rateName writes a rate as tables and charts show it.
func rateName(perSecond float64) string { return fmt.Sprintf("%.4g/s", perSecond) }

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}
