package sim

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spotpool/spotpool/internal/money"
)

// Columns returns the names of the table's columns.
func (r DayReport) Columns() []string { return []string{"", ""} }

// Rows returns the lines of the table.
func (r DayReport) Rows() []Row {
	t := &dayTable{}
	t.head("orders planned", r.Planned.Orders, "")
	t.count("accepted", r.Accepted, r.Planned.Orders)
	t.each("refused, ", r.Refused, r.Planned.Orders)
	t.each("", r.Ended, r.Accepted)
	t.count("open", len(r.Open), r.Accepted)
	t.head("of these", "", "")
	t.count("pooled", r.Pooled, r.Ended[statusCompleted])
	t.count("later than wished", r.Late, r.Ended[statusCompleted])
	t.count("cancelled after the match", r.Matched, r.Accepted)
	t.line("lost a trip", r.Rematch.Orders, fmt.Sprintf("%d times, %d rode all the same", r.Rematch.Times, r.Rematch.Riders))
	t.head("riders who call off", r.Planned.RiderCancels, "")
	t.each("", r.CallOff, r.Planned.RiderCancels)
	t.line("riders who do not come", r.Planned.NoShows, fmt.Sprintf("%d were waited for", r.Ended[statusNoShow]))
	t.head("trips offered", r.Offered, fmt.Sprintf("%d of their drivers are to call off", r.Planned.DriverCancels))
	t.each("refused, ", r.TripsRefused, r.Planned.Trips)
	t.each("", r.Trips, r.Offered)
	t.head("ratings", sum(r.Ratings), "")
	t.each("", r.Ratings, sum(r.Ratings))
	r.Money.rows(t)
	t.head("notices", sum(r.Notices), "")
	t.each("", r.Notices, 0)
	t.head("SMS", sum(r.SMS), "")
	t.each("", r.SMS, sum(r.SMS))
	t.head("times, of the application", "p50 · p99 · max", "")
	t.spread("late, of what was due", r.Lag)
	t.spread("until an order was answered", r.Accept)
	for _, queue := range slices.Sorted(maps.Keys(r.Waits)) {
		t.spread("in the queue "+queue, r.Waits[queue])
	}
	t.spread("arrived later than wished", r.LateBy)
	return t.rows
}

func (m Money) rows(t *dayTable) {
	t.head("money in", yuan(m.In()), "")
	for _, of := range []struct {
		name string
		is   money.Amount
		note string
	}{
		{"taken from riders", m.Taken, fmt.Sprintf("the gateway's book: %s by %d captures", yuan(m.GatewayTaken), m.Captures)},
		{"owed by riders", m.Owed, ""},
	} {
		t.line(of.name, yuan(of.is), of.note)
	}
	t.head("money out", yuan(m.Out()), "")
	t.line("paid to drivers", yuan(m.PaidOut), "the gateway's book: "+yuan(m.GatewayPaidOut))
	t.line("payable to drivers", yuan(m.Payable), "")
	t.line("the platform's", yuan(m.Revenue), "")
	t.line("refunded", yuan(m.Refunded), "the gateway's book: "+yuan(m.GatewayRefunded))
	t.line("to be refunded", yuan(m.Refunding), "")
	t.line("not shared out", yuan(m.Unshared), "")
	t.head("still held on riders", yuan(m.Held), "")
	t.line("calls the gateway got again", m.Repeats, "without another effect")
}

// yuan writes an amount without its currency.
func yuan(a money.Amount) string { return strings.TrimSuffix(a.String(), " "+money.Currency) }

// dayTable builds rows of a value and what there is to say about it.
type dayTable struct{ rows []Row }

func (t *dayTable) line(name string, value any, note string) {
	t.rows = append(t.rows, Row{Name: name, Cells: []string{fmt.Sprint(value), note}})
}

// head begins a group.
func (t *dayTable) head(name string, value any, note string) {
	t.line(name, value, note)
	t.rows[len(t.rows)-1].Head = true
}

func (t *dayTable) spread(name string, l Latency) {
	t.line(name, fmt.Sprintf("%s · %s · %s", l.P50, l.P99, l.Max), fmt.Sprintf("of %d", l.Count))
}

// count adds a number and its share of a total.
func (t *dayTable) count(name string, n, of int) {
	share := ""
	if of > 0 {
		share = fmt.Sprintf("%.1f %%", 100*float64(n)/float64(of))
	}
	t.line(name, n, share)
}

func (t *dayTable) each(before string, n map[string]int, of int) {
	for _, name := range slices.Sorted(maps.Keys(n)) {
		t.count(before+name, n[name], of)
	}
}

// Notes are the sentences that stand below the table.
func (r DayReport) Notes() (lines []string) {
	lines = append(lines, fmt.Sprintf("The day took %s at %gx, and %s of the application's time until the last car was there. Money is in %s.",
		time.Duration(r.Took).Round(time.Second), r.Speed, time.Duration(r.Day).Round(time.Minute), money.Currency))
	if len(r.Retried) > 0 {
		lines = append(lines, "Requests were tried again after "+codes(r.Retried)+".")
	}
	return lines
}

// Verdict says in a sentence what came of the day.
func (r DayReport) Verdict() string {
	broken := 0
	for _, rule := range r.Audit {
		broken += one(len(rule.Findings) > 0)
	}
	switch {
	case len(r.Audit) == 0:
		return "The day was not checked."
	case broken > 0:
		return fmt.Sprintf("%d rules are broken.", broken)
	}
	return fmt.Sprintf("All %d orders have their answer, and money in is money out to the last fen: %s.", r.Accepted, r.Money.In())
}

// Table writes the report as a table to w, with what there is to say about it.
func (r DayReport) Table(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range r.Rows() {
		if !row.Head {
			row.Name = "  " + row.Name
		}
		fmt.Fprintf(t, "%s\t%s\n", row.Name, strings.TrimRight(strings.Join(row.Cells, "\t"), "\t"))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	writeSentences(w, append(r.Notes(), r.Verdict()), r.Warnings)
	return nil
}

// charts draws the curves of a day.
func (r DayReport) charts() []chart {
	minutes := func(name, class string, of func(Slot) Seconds) values[Slot] {
		return values[Slot]{name, class, func(s Slot) (float64, bool) { return time.Duration(of(s)).Seconds(), true }}
	}
	all := []chart{
		draw("Demand", "trips offered, orders placed, in each half hour", linear, 0, r.Series,
			counted("trips", "a", func(s Slot) int { return s.Trips }), counted("orders", "c", func(s Slot) int { return s.Orders })),
		draw("Rides", "orders picked up and dropped off in each half hour", linear, 0, r.Series,
			counted("picked up", "a", func(s Slot) int { return s.PickedUp }), counted("dropped off", "c", func(s Slot) int { return s.Arrived })),
		draw("On the road", "trips, at most, in each half hour", linear, 0, r.Series, counted("trips", "c", func(s Slot) int { return s.OnTheRoad })),
		draw("How late the machine was", "by the application's clock, at most in each half hour; what is above the line is not the city's time", logarithmic, behind.Seconds(), r.Series,
			minutes("generator", "a", func(s Slot) Seconds { return s.Lag }), minutes("queues", "c", func(s Slot) Seconds { return s.Wait })),
	}
	length := float64(len(r.Series)) * slotLength.Hours()
	for i := range all {
		for h, every := 0.0, roundStep(length/8); h < length; h += every {
			all[i].Times = append(all[i].Times, tick{100 * h / length, dayTime(time.Duration(h) * time.Hour)})
		}
	}
	return all
}
