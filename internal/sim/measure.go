package sim

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/google/uuid"
)

// The generator is held to be the bottleneck above these.
const (
	lagLimit  = 20 * time.Millisecond // at p99, if that is
	lagShare  = 0.1                   // of the latency to the accept at p99
	heldLimit = 0.01                  // share of the orders
	cpuLimit  = 0.8                   // share of the cores
)

// lostLimit is the share of unfinished orders above which p99 is not known.
const lostLimit = 0.01

// report draws up what happened so far.
func (r *run) report() Report {
	r.record.mu.Lock()
	defer r.record.mu.Unlock()
	orders := slices.Clone(r.record.orders)
	byDue(orders)
	out := Report{
		Took: Seconds(r.took), Trips: r.record.trips, SLO: Seconds(r.SLO), Warnings: []string{}, Audit: []Rule{},
		TripsRefused: maps.Clone(r.record.tripsRefused), Retried: maps.Clone(r.record.retried),
		Series: series(orders, r.record.samples),
	}
	m := measure{shared: shared(orders), hist: newHistogram()}
	for i, s := range r.Plan.Steps {
		of := slices.DeleteFunc(slices.Clone(orders), func(o outcome) bool { return o.step != i })
		f := m.figures(of, during(r.record.samples, s.From, s.To))
		f.Rate, f.From, f.To = s.Rate, Seconds(s.From), Seconds(s.To)
		f.Carried = f.carried(r.SLO)
		out.Steps = append(out.Steps, f)
		out.Warnings = append(out.Warnings, f.warnings(r.InFlight, r.Cores)...)
	}
	out.Total = m.figures(orders, r.record.samples)
	out.Total.To = Seconds(r.took)
	out.Knee = knee(out.Steps)
	for _, o := range orders {
		if o.observed {
			out.Observed++
		}
	}
	return out
}

// carried reports whether a step kept the limit: its p99 from accept to confirm
// does, and so does that of the acceptance, counted from the moment an order was
// due; an API that queues requests delays orders before their first time stamp.
// Orders that were not finished in the end took longer than any that were.
func (f Figures) carried(slo time.Duration) bool {
	return f.Confirmed > 0 && float64(f.Unfinished) <= lostLimit*float64(f.Confirmed+f.Unfinished) &&
		time.Duration(f.Confirm.P99) <= slo && time.Duration(f.Accept.P99) <= slo
}

// knee returns the highest rate of a step that was carried, nil when none was.
func knee(steps []Figures) *float64 {
	var best *float64
	for _, f := range steps {
		if f.Carried && (best == nil || f.Rate > *best) {
			best = &f.Rate
		}
	}
	return best
}

// warnings says where the generator was the bottleneck.
func (f Figures) warnings(inFlight, cores int) (lines []string) {
	at, g := rateName(f.Rate), f.Generator
	switch lag := time.Duration(g.Lag.P99); {
	case float64(g.Held) > heldLimit*float64(f.Offered):
		lines = append(lines, fmt.Sprintf("at %s the generator held %d of %d orders up, since %d requests were in flight: "+
			"the server falls behind, or --workers is too low", at, g.Held, f.Offered, inFlight))
	case lag > lagLimit && float64(lag) > lagShare*float64(f.Accept.P99):
		lines = append(lines, fmt.Sprintf("at %s the generator is the bottleneck: 1 %% of the orders were sent %s late or more, "+
			"which counts in their latency", at, g.Lag.P99))
	}
	if cores > 0 && g.CPU > cpuLimit*float64(cores) {
		lines = append(lines, fmt.Sprintf("at %s the generator is bound by its CPU: it used %.1f of %d cores", at, g.CPU, cores))
	}
	return lines
}

// measure computes figures; its histogram is used again and again.
type measure struct {
	shared map[uuid.UUID]bool
	hist   *hdrhistogram.Histogram
}

// figures are those of some orders, and of the samples taken meanwhile.
func (m measure) figures(orders []outcome, samples []sampled) Figures {
	f := Figures{Offered: len(orders), Refused: map[string]int{}}
	pooled := 0
	for _, o := range orders {
		f.count(o)
		if o.confirm > 0 && m.shared[o.id] {
			pooled++
		}
		if o.held {
			f.Generator.Held++
		}
	}
	f.Pooled = float64(pooled) / float64(max(f.Confirmed, 1))
	f.Detour = detour(orders)
	f.Accept = m.latency(orders, outcome.accept)
	f.Match = m.latency(orders, outcome.toMatch)
	f.Confirm = m.latency(orders, outcome.toConfirm)
	f.Generator.Lag = m.latency(orders, outcome.late)
	f.Queue, f.Generator.CPU = depth(samples)
	return f
}

// accept returns how long an accepted order took from the moment it was due; 0: it was refused.
func (o outcome) accept() time.Duration {
	if !o.accepted() {
		return 0
	}
	return max(o.answer, time.Microsecond)
}

// toMatch and toConfirm return how long it took from accept; 0: it has not come to that.
func (o outcome) toMatch() time.Duration   { return o.match }
func (o outcome) toConfirm() time.Duration { return o.confirm }

// late returns how late the order was sent, at least a microsecond.
func (o outcome) late() time.Duration { return max(o.lag, time.Microsecond) }

func (f *Figures) count(o outcome) {
	if !o.accepted() {
		f.Refused[o.code]++
		return
	}
	f.Accepted++
	if o.match > 0 {
		f.Matched++
	}
	switch {
	case o.confirm > 0:
		f.Confirmed++
	case o.status == statusExpired:
		f.Expired++
	case o.status == statusCancelled:
		f.Cancelled++
	default:
		f.Unfinished++
	}
}

func newHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(1, time.Hour.Microseconds(), 3) }

// latency returns the distribution of what get returns of the orders, zeros left out.
func (m measure) latency(orders []outcome, get func(outcome) time.Duration) Latency {
	m.hist.Reset()
	for _, o := range orders {
		if d := get(o); d > 0 {
			_ = m.hist.RecordValue(min(d.Microseconds(), m.hist.HighestTrackableValue()))
		}
	}
	at := func(percent float64) Seconds {
		return Seconds(m.hist.ValueAtPercentile(percent)) * Seconds(time.Microsecond)
	}
	return Latency{m.hist.TotalCount(), at(50), at(90), at(99), at(99.9), Seconds(m.hist.Max()) * Seconds(time.Microsecond)}
}

// during returns the samples taken in a span.
func during(samples []sampled, from, to time.Duration) []sampled {
	return slices.DeleteFunc(slices.Clone(samples), func(s sampled) bool { return s.at < from || s.at >= to })
}

// depth returns the depth of the queues and the cores used.
func depth(samples []sampled) (d Depth, cpu float64) {
	d.MaxOf = map[string]int{}
	for _, s := range samples {
		cpu += s.cpu / float64(len(samples))
		if s.queues == nil {
			continue
		}
		pending, _ := s.tasks()
		d.Samples++
		d.Mean += float64(pending)
		d.Max = max(d.Max, pending)
		for _, q := range s.queues {
			d.MaxOf[q.Name] = max(d.MaxOf[q.Name], q.Pending)
		}
	}
	d.Mean /= float64(max(d.Samples, 1))
	return d, cpu
}

// detour returns how much longer the confirmed ride than the direct way takes.
func detour(orders []outcome) (d Detour) {
	var ratios []float64
	for _, o := range orders {
		if o.confirm > 0 && o.direct > 0 && o.ride > 0 {
			ratios = append(ratios, o.ride.Seconds()/o.direct.Seconds())
			d.Mean += ratios[len(ratios)-1]
		}
	}
	if d.Count = len(ratios); d.Count > 0 {
		slices.Sort(ratios)
		d.Mean /= float64(d.Count)
		d.P90 = ratios[(d.Count*9+9)/10-1]
	}
	return d
}

// shared returns the orders that ride at least a part of their way with another:
// on the same trip, one is picked up before the other is dropped off.
func shared(orders []outcome) map[uuid.UUID]bool {
	trips := map[uuid.UUID][]outcome{}
	for _, o := range orders {
		if o.confirm > 0 && o.trip.Valid && o.ride > 0 {
			trips[o.trip.UUID] = append(trips[o.trip.UUID], o)
		}
	}
	together := map[uuid.UUID]bool{}
	for _, riders := range trips {
		for i, a := range riders { // every pair: a car carries few
			for _, b := range riders[i+1:] {
				if a.pickup.Before(b.pickup.Add(b.ride)) && b.pickup.Before(a.pickup.Add(a.ride)) {
					together[a.id], together[b.id] = true, true
				}
			}
		}
	}
	return together
}
