package sim

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/google/uuid"
)

// Report is what came of a replay.
type Report struct {
	Trips        int            // offered
	TripsRefused map[string]int // by the problem's code
	Accepted     int            // orders answered with 202
	Refused      map[string]int // orders, by the problem's code
	Matched      int            // of the accepted, those that had a trip when they were looked at
	Confirmed    int
	Expired      int
	Cancelled    int // also those whose payment was declined
	Unfinished   int // none of these when the replay ended
	Latency      Latency
	Took         time.Duration // the whole replay
}

// Latency is how long confirmed orders took from accept to confirm, by the
// server's own times; rounded to 3 significant digits.
type Latency struct{ P50, P95, P99, Max time.Duration }

// Table writes the report as a table to w.
func (r Report) Table(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	count := func(name string, n int) { fmt.Fprintf(t, "%s\t%d\n", name, n) }
	share := func(name string, n int) {
		fmt.Fprintf(t, "%s\t%d\t%.1f %%\n", name, n, 100*float64(n)/float64(max(r.Accepted, 1)))
	}
	refused := func(name string, codes map[string]int) {
		for _, code := range slices.Sorted(maps.Keys(codes)) {
			count(name+", "+code, codes[code])
		}
	}
	count("trips offered", r.Trips)
	refused("trips refused", r.TripsRefused)
	count("orders accepted", r.Accepted)
	refused("orders refused", r.Refused)
	share("  matched", r.Matched)
	share("  confirmed", r.Confirmed)
	share("  expired", r.Expired)
	share("  cancelled", r.Cancelled)
	share("  unfinished", r.Unfinished)
	for _, p := range []struct {
		name string
		d    time.Duration
	}{{"p50", r.Latency.P50}, {"p95", r.Latency.P95}, {"p99", r.Latency.P99}, {"max", r.Latency.Max}} {
		fmt.Fprintf(t, "accept to confirm %s\t%.3f s\n", p.name, p.d.Seconds())
	}
	fmt.Fprintf(t, "took\t%.1f s\n", r.Took.Seconds())
	return t.Flush()
}

// tally counts while a replay runs. It is safe for concurrent use.
type tally struct {
	mu      sync.Mutex
	report  Report
	pending map[uuid.UUID]bool // accepted and not ended; true: seen with a trip
	latency *hdrhistogram.Histogram
}

func newTally() *tally {
	return &tally{
		report:  Report{TripsRefused: map[string]int{}, Refused: map[string]int{}},
		pending: map[uuid.UUID]bool{},
		latency: hdrhistogram.New(1, time.Hour.Microseconds(), 3),
	}
}

// offered notes the answer to a trip.
func (t *tally) offered(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		t.report.TripsRefused[CodeOf(err)]++
		return
	}
	t.report.Trips++
}

// placed notes the answer to an order and reports whether there is now one to follow.
func (t *tally) placed(o Order, err error) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		t.report.Refused[CodeOf(err)]++
		return false
	}
	t.report.Accepted++
	t.pending[o.ID] = false
	return true
}

// saw notes what an order is now and reports whether that ended a followed
// one; orders that are not followed are nobody's business.
func (t *tally) saw(o Order) (ended bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	matched, ours := t.pending[o.ID]
	if !ours {
		return false
	}
	switch o.Status {
	case statusExpired:
		t.report.Expired++
		ended = true
	case statusCancelled:
		t.report.Cancelled++
		ended = true
	case statusConfirmed, statusOnboard, statusCompleted:
		t.report.Confirmed++
		t.confirmed(o)
		ended = true
	}
	if !matched && (o.TripID.Valid || o.Status == statusMatched) {
		t.report.Matched++
		matched = true
	}
	t.pending[o.ID] = matched
	if ended {
		delete(t.pending, o.ID)
	}
	return ended
}

// confirmed records the latency of an order that says when it was confirmed.
func (t *tally) confirmed(o Order) {
	if o.ConfirmedAt.IsZero() {
		return
	}
	took := o.ConfirmedAt.Sub(o.CreatedAt).Microseconds()
	_ = t.latency.RecordValue(min(max(took, 1), t.latency.HighestTrackableValue()))
}

// open returns a copy of the orders that have not ended.
func (t *tally) open() map[uuid.UUID]bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.pending)
}

func (t *tally) accepted() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.report.Accepted
}

// result returns the report so far.
func (t *tally) result(took time.Duration) Report {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.report
	r.Unfinished, r.Took = len(t.pending), took
	at := func(percent float64) time.Duration {
		return time.Duration(t.latency.ValueAtPercentile(percent)) * time.Microsecond
	}
	r.Latency = Latency{at(50), at(95), at(99), time.Duration(t.latency.Max()) * time.Microsecond}
	return r
}
