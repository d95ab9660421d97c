package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"
)

type named struct {
	name string
	Engine
}

// row is one line of the table: the figures of every run, by engine.
type row struct {
	label, unit string
	values      map[string][]float64
}

type report struct {
	engines  []*named
	versions []string
	rows     []*row
	failed   map[string]bool // case and engine
}

func newReport() *report { return &report{failed: map[string]bool{}} }

func (r *report) open(ctx context.Context, s *Servers, names []string) error {
	redis, err := s.redisVersion(ctx)
	if err != nil {
		return err
	}
	r.versions = []string{fmt.Sprintf("%d CPUs", runtime.NumCPU()), runtime.Version(), redis}
	for _, name := range names {
		i := slices.IndexFunc(openers, func(o opener) bool { return o.name == name })
		if i < 0 {
			return fmt.Errorf("--engines: %q is not known", name)
		}
		e, err := openers[i].open(ctx, s)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		r.engines = append(r.engines, &named{name, e})
		versions, err := e.Versions(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		r.versions = append(r.versions, versions...)
	}
	return nil
}

func (r *report) close() error {
	var errs []error
	for _, e := range r.engines {
		errs = append(errs, e.Close())
	}
	return errors.Join(errs...)
}

func (r *report) fail(c Case, engine string) { r.failed[c.Label+engine] = true }

// note adds the figures that belong to a case.
func (r *report) note(c Case, engine string, result Result) {
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	laps := slices.Sorted(slices.Values(result.Laps))
	switch {
	case c.Kind == noop:
		r.add(c, "jobs/s", engine, float64(c.Size)/result.Elapsed.Seconds())
	case !c.OneByOne:
		r.add(c, "chains/s", engine, float64(c.Groups)/result.Elapsed.Seconds())
	case c.Kind == chain:
		r.add(c, "p50, ms", engine, ms(laps[len(laps)/2]))
		r.add(c, "p99, ms", engine, ms(laps[len(laps)*99/100]))
	case len(laps) == 1:
		r.add(c, "s", engine, laps[0].Seconds())
	default:
		r.add(c, "median, ms", engine, ms(laps[len(laps)/2]))
	}
}

func (r *report) add(c Case, unit, engine string, v float64) {
	i := slices.IndexFunc(r.rows, func(w *row) bool { return w.label == c.Label && w.unit == unit })
	if i < 0 {
		i = len(r.rows)
		r.rows = append(r.rows, &row{c.Label, unit, map[string][]float64{}})
	}
	r.rows[i].values[engine] = append(r.rows[i].values[engine], v)
}

func (r *report) print(w io.Writer) {
	fmt.Fprintf(w, "%s. Median (lowest–highest) of the runs.\n\n| case | unit |", strings.Join(r.versions, "; "))
	for _, e := range r.engines {
		fmt.Fprintf(w, " %s |", e.name)
	}
	fmt.Fprintf(w, "\n|---|---|%s\n", strings.Repeat("---|", len(r.engines)))
	for _, line := range r.rows {
		fmt.Fprintf(w, "| %s | %s |", line.label, line.unit)
		for _, e := range r.engines {
			fmt.Fprintf(w, " %s |", r.cell(line, e.name))
		}
		fmt.Fprintln(w)
	}
}

func (r *report) cell(line *row, engine string) string {
	text := spread(line.values[engine])
	if r.failed[line.label+engine] {
		text += " FAILED"
	}
	return text
}

// spread writes the median, and the extremes when there are several values.
func spread(values []float64) string {
	switch vs := slices.Sorted(slices.Values(values)); len(vs) {
	case 0:
		return ""
	case 1:
		return figure(vs[0])
	default:
		return fmt.Sprintf("%s (%s–%s)", figure(vs[len(vs)/2]), figure(vs[0]), figure(vs[len(vs)-1]))
	}
}

// figure writes a number with about three digits.
func figure(v float64) string {
	switch {
	case v >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

// moduleVersion returns a module's path and version as built in.
func moduleVersion(path string) string {
	info, _ := debug.ReadBuildInfo()
	for _, m := range info.Deps {
		if m.Path == path {
			return path + " " + m.Version
		}
	}
	return path
}
