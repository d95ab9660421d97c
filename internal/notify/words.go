package notify

import (
	"embed"
	"fmt"
	"strings"
	"text/template"
	"time"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/money"
)

// Lang is a language that people are told in.
type Lang string

// The languages.
const (
	English Lang = "en"
	Chinese Lang = "zh"
)

// Langs are all languages.
var Langs = []Lang{English, Chinese}

//go:embed templates/*.tmpl
var files embed.FS

// templates are the sentences of each language; none is changed after the start.
var templates = parse()

func parse() map[Lang]*template.Template {
	all := map[Lang]*template.Template{}
	for _, l := range Langs {
		all[l] = template.Must(template.New("").Option("missingkey=error").ParseFS(files, "templates/"+string(l)+".tmpl"))
	}
	return all
}

// facts is what a sentence may tell. Which of them there are depends on the event.
type facts struct {
	Origin, Dest string    // names of places, may be empty
	At, Arrive   time.Time // pickup, or departure, and arrival
	Aboard       bool      // whether the rider is in the car

	Fee, Fares, Share, Held, Charged money.Amount
	Owed                             bool // whether what was charged could not be taken
	Rides                            int
	Day                              clock.Day
	Code                             string
}

// facts returns what is told about a ride.
func (r Ride) facts() facts {
	return facts{Origin: r.Origin, Dest: r.Dest, At: r.PickupAt, Arrive: r.ArriveAt, Aboard: r.Aboard, Fee: r.Fee}
}

// facts returns what is told about a driver's trip.
func (d Departure) facts() facts { return facts{Origin: d.Origin, Dest: d.Dest, At: d.At} }

// said is facts as one language writes them.
type said struct {
	facts
	Costs                            bool // whether there is a fee
	Way, At, Arrive                  string
	Fee, Fares, Share, Held, Charged string
}

// write returns a sentence in a language, with times in zone, and the day where that
// is not today's.
func write(l Lang, name string, f facts, now time.Time, zone *time.Location) string {
	moment := func(t time.Time) string { return moment(l, t.In(zone), now.In(zone)) }
	var b strings.Builder
	err := templates[l].ExecuteTemplate(&b, name, said{
		facts: f, Costs: f.Fee > 0, Way: way(l, f.Origin, f.Dest), At: moment(f.At), Arrive: moment(f.Arrive),
		Fee: sum(l, f.Fee), Fares: sum(l, f.Fares), Share: sum(l, f.Share), Held: sum(l, f.Held), Charged: sum(l, f.Charged),
	})
	if err != nil {
		panic(fmt.Sprintf("notify: the sentence %s in %s: %v", name, l, err)) // a test writes them all
	}
	return b.String()
}

// moment writes a time, with the day where it is not now's.
func moment(l Lang, t, now time.Time) string {
	at := t.Format("15:04")
	switch {
	case t.Format(time.DateOnly) == now.Format(time.DateOnly):
		return at
	case l == Chinese:
		return fmt.Sprintf("%d月%d日 %s", t.Month(), t.Day(), at)
	}
	return at + " on " + t.Format("2 Jan")
}

// sum writes an amount of money.
func sum(l Lang, a money.Amount) string {
	if l == Chinese {
		return strings.TrimSuffix(a.String(), money.Currency) + "元"
	}
	return a.String()
}

// way names the ends of a way, as far as they have names.
func way(l Lang, origin, dest string) (s string) {
	from, to := " from ", " to "
	if l == Chinese {
		from, to = "从", "到"
	}
	if origin != "" {
		s += from + clip(origin)
	}
	if dest != "" {
		s += to + clip(dest)
	}
	return s
}

// clip keeps the name of a place short enough for an SMS.
func clip(name string) string {
	const most = 40
	if r := []rune(name); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return name
}

// sentence names the text that tells an audience of an event.
func sentence(ev Event, to Audience) string { return string(ev) + "." + string(to) }
