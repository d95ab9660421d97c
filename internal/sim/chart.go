package sim

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// chart is a drawing of the report's page: curves over the seconds of a run. Its
// SVG is stretched to the width of the page, so that everything with a shape of
// its own, text above all, stands beside it in HTML, placed in percent.
type chart struct {
	Title string
	Note  string
	Lines []curve
	Ticks []tick // of the vertical axis
	Times []tick // of the horizontal axis
	Steps []band
	Limit *tick // nil: there is none
	Empty bool
}

// curve is one line; Points are in the drawing's 1000 × 1000 units.
type curve struct {
	Name   string
	Class  string
	Points string
}

// tick is a mark on an axis, At percent from its beginning.
type tick struct {
	At    float64
	Label string
}

// band is a step's span, in percent.
type band struct {
	Left, Width float64
	Label       string
}

// values are the data of one curve over parts of a run, seconds or longer ones; get
// reports false where there is none.
type values[S any] struct {
	name, class string
	get         func(S) (float64, bool)
}

// counted is a curve of what was counted in each part.
func counted[S any](name, class string, n func(S) int) values[S] {
	return values[S]{name, class, func(s S) (float64, bool) { return float64(n(s)), true }}
}

// charts draws the curves of a report.
func (r Report) charts() []chart {
	seconds := func(name, class string, of func(Second) Latency, at func(Latency) Seconds) values[Second] {
		return values[Second]{name, class, func(s Second) (float64, bool) {
			return time.Duration(at(of(s))).Seconds(), of(s).Count > 0
		}}
	}
	percentiles := func(of func(Second) Latency) []values[Second] {
		return []values[Second]{
			seconds("p99", "c", of, func(l Latency) Seconds { return l.P99 }),
			seconds("p90", "b", of, func(l Latency) Seconds { return l.P90 }),
			seconds("p50", "a", of, func(l Latency) Seconds { return l.P50 }),
		}
	}
	known := func(name, class string, n func(Second) *int) values[Second] {
		return values[Second]{name, class, func(s Second) (float64, bool) {
			if n(s) == nil {
				return 0, false
			}
			return float64(*n(s)), true
		}}
	}
	slo := time.Duration(r.SLO).Seconds()
	return []chart{
		r.draw("Orders a second", "offered, answered with 202, and confirmed in each second", linear, 0,
			counted("offered", "a", func(s Second) int { return s.Offered }),
			counted("accepted", "b", func(s Second) int { return s.Accepted }),
			counted("confirmed", "c", func(s Second) int { return s.Confirmed })),
		r.draw("From due to accepted", "of the orders due in each second; the limit is dashed", logarithmic, slo,
			percentiles(func(s Second) Latency { return s.Accept })...),
		r.draw("From accepted to confirmed", "of the orders due in each second; the limit is dashed", logarithmic, slo,
			percentiles(func(s Second) Latency { return s.Confirm })...),
		r.draw("Tasks in the queues", "waiting to be run, and running", linear, 0,
			known("waiting", "c", func(s Second) *int { return s.Pending }),
			known("running", "a", func(s Second) *int { return s.Active })),
		r.draw("Generator lag", "from the moment orders were due until they were sent, p99", logarithmic, 0,
			seconds("p99", "c", func(s Second) Latency { return s.Lag }, func(l Latency) Seconds { return l.P99 })),
	}
}

// draw draws one chart of a load test; limit is marked unless it is 0.
func (r Report) draw(title, note string, scale func(low, high float64) axis, limit float64, of ...values[Second]) chart {
	c := draw(title, note, scale, limit, r.Series, of...)
	if c.Empty {
		return c
	}
	x := float64(len(r.Series))
	every := roundStep(x / 8)
	for t := 0.0; t < x; t += every {
		c.Times = append(c.Times, tick{100 * t / x, fmt.Sprintf("%g s", t)})
	}
	for _, s := range r.Steps {
		from, to := time.Duration(s.From).Seconds(), min(time.Duration(s.To).Seconds(), x)
		if from < to {
			c.Steps = append(c.Steps, band{100 * from / x, 100 * (to - from) / x, rateName(s.Rate)})
		}
	}
	return c
}

// draw draws curves over the parts of a run, without its horizontal axis.
func draw[S any](title, note string, scale func(low, high float64) axis, limit float64, series []S, of ...values[S]) chart {
	c := chart{Title: title, Note: note}
	low, high := math.Inf(1), math.Inf(-1)
	for _, s := range series {
		for _, v := range of {
			if y, ok := v.get(s); ok {
				low, high = min(low, y), max(high, y)
			}
		}
	}
	if c.Empty = low > high; c.Empty {
		return c
	}
	if limit > 0 {
		low, high = min(low, limit), max(high, limit)
	}
	y := scale(low, high)
	for _, v := range of {
		c.Lines = append(c.Lines, curve{v.name, v.class, points(series, v, y)})
	}
	for _, t := range y.ticks {
		c.Ticks = append(c.Ticks, tick{100 * y.at(t), y.label(t)})
	}
	if limit > 0 {
		c.Limit = &tick{100 * y.at(limit), "limit"}
	}
	return c
}

// points writes a curve; the value of each part stands in its middle.
func points[S any](series []S, v values[S], y axis) string {
	var b strings.Builder
	for i, s := range series {
		if value, ok := v.get(s); ok {
			fmt.Fprintf(&b, "%.1f,%.1f ", 1000*(float64(i)+0.5)/float64(len(series)), 1000-1000*y.at(value))
		}
	}
	return strings.TrimSpace(b.String())
}

// axis maps values to shares of its length.
type axis struct {
	at    func(float64) float64
	ticks []float64
	label func(float64) string
}

// linear is an axis of counts from zero.
func linear(_, high float64) axis {
	every := max(roundStep(high/4), 1)
	top := max(math.Ceil(high/every), 1) * every
	a := axis{
		at:    func(v float64) float64 { return v / top },
		label: func(v float64) string { return fmt.Sprintf("%g", v) },
	}
	for v := 0.0; v <= top; v += every {
		a.ticks = append(a.ticks, v)
	}
	return a
}

// logarithmic is an axis of seconds in whole decades; nothing is below 0.1 ms.
func logarithmic(low, high float64) axis {
	const least = 1e-4
	bottom := math.Floor(math.Log10(max(low, least)))
	top := max(math.Ceil(math.Log10(max(high, least))), bottom+1)
	a := axis{
		at:    func(v float64) float64 { return (math.Log10(max(v, least)) - bottom) / (top - bottom) },
		label: func(v float64) string { return durationLabel(v) },
	}
	for decade := bottom; decade <= top; decade++ {
		a.ticks = append(a.ticks, math.Pow(10, decade))
	}
	return a
}

// durationLabel writes a power of ten of seconds.
func durationLabel(seconds float64) string {
	if seconds < 0.9 {
		return fmt.Sprintf("%.3g ms", 1000*seconds)
	}
	return fmt.Sprintf("%.3g s", seconds)
}

// roundStep returns the least of 1, 2, 5, 10, 20, … that is not below v.
func roundStep(v float64) float64 {
	if v <= 1 {
		return 1
	}
	decade := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 5} {
		if m*decade >= v {
			return m * decade
		}
	}
	return 10 * decade
}
