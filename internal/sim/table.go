package sim

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// Row is a line of the report's table: a cell for each step, and the total.
type Row struct {
	Name  string
	Cells []string
	Head  bool // begins a group
}

// columns are the steps and, when there are several or some orders belong to
// none, the total.
func (r Report) columns() []Figures {
	if len(r.Steps) == 1 && r.Steps[0].Offered == r.Total.Offered {
		return r.Steps
	}
	return append(slices.Clone(r.Steps), r.Total)
}

// Columns returns the names of the table's columns.
func (r Report) Columns() (names []string) {
	for _, f := range r.columns() {
		name := "total"
		if f.Rate > 0 {
			name = rateName(f.Rate)
		}
		names = append(names, name)
	}
	return names
}

// Rows returns the lines of the table.
func (r Report) Rows() []Row {
	t := &table{columns: r.columns()}
	t.group("orders offered", func(f Figures) string { return strconv.Itoa(f.Offered) })
	t.count("accepted", func(f Figures) int { return f.Accepted })
	for _, code := range slices.Sorted(maps.Keys(r.Total.Refused)) {
		t.count("refused, "+code, func(f Figures) int { return f.Refused[code] })
	}
	t.group("of the accepted", nil)
	t.share("matched", func(f Figures) int { return f.Matched })
	t.share("confirmed", func(f Figures) int { return f.Confirmed })
	t.share("expired", func(f Figures) int { return f.Expired })
	t.share("cancelled", func(f Figures) int { return f.Cancelled })
	t.share("unfinished", func(f Figures) int { return f.Unfinished })
	t.latency("due to accepted", func(f Figures) Latency { return f.Accept })
	t.latency("accepted to matched", func(f Figures) Latency { return f.Match })
	t.latency("accepted to confirmed", func(f Figures) Latency { return f.Confirm })
	t.group("tasks queued", nil)
	t.cell("mean", func(f Figures) string { return orNone(f.Queue.Samples, "%.1f", f.Queue.Mean) })
	t.cell("max", func(f Figures) string { return orNone(f.Queue.Samples, "%d", f.Queue.Max) })
	for _, queue := range slices.Sorted(maps.Keys(r.Total.Queue.MaxOf)) {
		t.cell("max of "+queue, func(f Figures) string { return orNone(f.Queue.Samples, "%d", f.Queue.MaxOf[queue]) })
	}
	t.group("rides", nil)
	t.cell("pooled", func(f Figures) string { return orNone(f.Confirmed, "%.1f %%", 100*f.Pooled) })
	t.cell("ride / direct, mean", func(f Figures) string { return orNone(f.Detour.Count, "%.2f", f.Detour.Mean) })
	t.cell("ride / direct, p90", func(f Figures) string { return orNone(f.Detour.Count, "%.2f", f.Detour.P90) })
	t.group("generator", nil)
	t.cell("sent late, p99", func(f Figures) string { return orNone(f.Offered, "%v", f.Generator.Lag.P99) })
	t.cell("cores used", func(f Figures) string { return fmt.Sprintf("%.2f", f.Generator.CPU) })
	return t.rows
}

// table builds rows over the columns.
type table struct {
	columns []Figures
	rows    []Row
}

func (t *table) cell(name string, show func(Figures) string) {
	line := Row{Name: name}
	for _, f := range t.columns {
		line.Cells = append(line.Cells, show(f))
	}
	t.rows = append(t.rows, line)
}

// group begins a group, with values of its own or without.
func (t *table) group(name string, show func(Figures) string) {
	if show == nil {
		show = func(Figures) string { return "" }
	}
	t.cell(name, show)
	t.rows[len(t.rows)-1].Head = true
}

func (t *table) count(name string, n func(Figures) int) {
	t.cell(name, func(f Figures) string { return strconv.Itoa(n(f)) })
}

func (t *table) share(name string, n func(Figures) int) {
	t.cell(name, func(f Figures) string {
		return fmt.Sprintf("%d (%.1f %%)", n(f), 100*float64(n(f))/float64(max(f.Accepted, 1)))
	})
}

func (t *table) latency(name string, get func(Figures) Latency) {
	t.group(name, nil)
	for _, p := range []struct {
		name string
		of   func(Latency) Seconds
	}{
		{"p50", func(l Latency) Seconds { return l.P50 }},
		{"p90", func(l Latency) Seconds { return l.P90 }},
		{"p99", func(l Latency) Seconds { return l.P99 }},
		{"p99.9", func(l Latency) Seconds { return l.P999 }},
		{"max", func(l Latency) Seconds { return l.Max }},
	} {
		t.cell(p.name, func(f Figures) string { return orNone(int(get(f).Count), "%v", p.of(get(f))) })
	}
}

// orNone writes a value, "-" when nothing was counted.
func orNone(n int, format string, value any) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprintf(format, value)
}

// Notes are the sentences that stand below the table.
func (r Report) Notes() (lines []string) {
	refused := 0
	for _, n := range r.TripsRefused {
		refused += n
	}
	trips := fmt.Sprintf("%d trips were offered", r.Trips)
	if refused > 0 {
		trips += fmt.Sprintf(", %d refused (%s)", refused, codes(r.TripsRefused))
	}
	lines = append(lines, fmt.Sprintf("%s; the run took %s.", trips, r.Took))
	if len(r.Retried) > 0 {
		lines = append(lines, "Requests were tried again after "+codes(r.Retried)+"; their latency counts all tries.")
	}
	times := "Times from accept on are the server's own, waiting for a suitable trip included"
	if r.Observed > 0 {
		times += fmt.Sprintf(", but for %d orders, which were seen at a look once a second", r.Observed)
	}
	lines = append(lines, times+"; the time to the accept is counted here, from the moment an order was due.")
	return append(lines, r.limitNotes()...)
}

// Verdict says in a sentence which rates were carried.
func (r Report) Verdict() string {
	if r.Knee == nil {
		return fmt.Sprintf("No step kept %s at p99.", r.SLO)
	}
	return fmt.Sprintf("The highest step that kept %s at p99, to the accept and from there to the confirmation: %s.", r.SLO, rateName(*r.Knee))
}

func codes(n map[string]int) string {
	var parts []string
	for _, code := range slices.Sorted(maps.Keys(n)) {
		parts = append(parts, fmt.Sprintf("%s %d", code, n[code]))
	}
	return strings.Join(parts, ", ")
}

// Table writes the report as a table to w, with what there is to say about it.
func (r Report) Table(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	line := func(name string, cells []string) { fmt.Fprintf(t, "%s\t%s\t\n", name, strings.Join(cells, "\t")) }
	rows := r.Rows()
	width := 0
	for _, row := range rows {
		width = max(width, len(row.Name)+2)
	}
	pad := func(text string) string { return fmt.Sprintf("%-*s", width, text) }
	line(pad(""), r.Columns())
	for _, row := range rows {
		if !row.Head {
			row.Name = "  " + row.Name
		}
		line(pad(row.Name), row.Cells)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	writeSentences(w, append(r.Notes(), r.Verdict()), r.Warnings)
	return nil
}

// writeSentences writes what stands below a report's table.
func writeSentences(w io.Writer, said, warnings []string) {
	for _, text := range said {
		fmt.Fprintln(w, text)
	}
	for _, text := range warnings {
		fmt.Fprintln(w, "WARNING:", text)
	}
}
