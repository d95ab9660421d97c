package sim

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
)

var usual = Day{Seed: 1, Orders: 5000, Length: wholeDay, DriverCancels: 0.03, RiderCancels: 0.05, NoShows: 0.02, Taxis: 0.1}

// text writes a plan down to its last digit.
func (p dayPlan) text() string {
	var s strings.Builder
	now := time.Unix(newYear, 0).UTC()
	for _, t := range p.trips {
		o := t.offer(now)
		to := "anywhere"
		if o.Destination != nil {
			to = fmt.Sprint(*o.Destination)
		}
		o.Destination = nil
		fmt.Fprintln(&s, t.due, o, to, t.quits, t.stars)
	}
	for _, o := range p.orders {
		fmt.Fprintln(&s, o.due, o.request(now), o.cancels, o.stays, o.stars)
	}
	return s.String()
}

func TestTheSameSeedMakesTheSameDay(t *testing.T) {
	a, b := usual.plan().text(), usual.plan().text()
	if a != b {
		t.Error("they differ")
	}
	other := usual
	other.Seed = 2
	if other.plan().text() == a {
		t.Error("another seed changes nothing")
	}
}

// A share may be changed without changing the people.
func TestMisfortunesHaveDiceOfTheirOwn(t *testing.T) {
	calm := usual
	calm.DriverCancels, calm.RiderCancels, calm.NoShows = 0, 0, 0
	a, b := usual.plan(), calm.plan()
	for i := range b.trips {
		if b.trips[i].quits != 0 {
			t.Fatal("a driver calls off")
		}
		a.trips[i].quits = 0
	}
	for i := range b.orders {
		if b.orders[i].cancels != 0 || b.orders[i].stays {
			t.Fatal("a rider calls off, or does not come")
		}
		a.orders[i].cancels, a.orders[i].stays = 0, false
	}
	if a.text() != b.text() {
		t.Error("the people differ")
	}
}

func TestADayHasItsRates(t *testing.T) {
	p := usual.plan()
	n := p.planned()
	if n.Orders != 5000 || n.Trips != 6000+288 {
		t.Fatalf("%+v", n)
	}
	taxis, soonest := 0, 0
	for _, trip := range p.trips {
		taxis += one(trip.offer(time.Now()).Destination == nil)
		if lead := trip.lead(); lead < earliestLeave || lead > latestLeave || trip.quits > time.Duration(onTheWay*float64(lead))+time.Second {
			t.Fatalf("departs after %s, called off after %s", lead, trip.quits)
		}
	}
	for _, o := range p.orders {
		if o.cancels > later+time.Second {
			t.Fatalf("called off after %s", o.cancels)
		}
		soonest += one(o.cancels > 0 && o.cancels <= soon)
	}
	for _, c := range []struct {
		what  string
		n, of int
		want  float64
	}{
		{"drivers call off", n.DriverCancels, n.Trips, 0.03},
		{"riders call off", n.RiderCancels, n.Orders, 0.05},
		{"riders do not come", n.NoShows, n.Orders, 0.02},
		{"trips are taxis'", taxis, n.Trips, 0.1},
		{"call off within a minute", soonest, n.RiderCancels, 0.5 + 0.5/20},
	} {
		off := 4 * math.Sqrt(c.want*(1-c.want)/float64(c.of)) // four standard deviations
		if got := float64(c.n) / float64(c.of); math.Abs(got-c.want) > off {
			t.Errorf("%.4f of them %s, want %.4f ± %.4f", got, c.what, c.want, off)
		}
	}
}

// Orders follow the demand: few at night, most on the way to work and back, and towards
// where people work in the morning.
func TestADayHasItsHours(t *testing.T) {
	for name, length := range map[string]time.Duration{"a day": wholeDay, "pressed into two hours": 2 * time.Hour} {
		d := usual
		d.Length = length
		p := d.plan()
		var hours [24]int
		towork, back := 0, 0
		for i, o := range p.orders {
			hour := int(24 * o.due / length)
			hours[hour]++
			if i > 0 && o.due < p.orders[i-1].due || o.due >= length {
				t.Fatalf("%s: out of order, or of the day: %s", name, o.due)
			}
			home := o.request(time.Now()).Origin.Name == homes[0].name
			towork += one(home && hour == 8)
			back += one(home && hour == 18)
		}
		total := 0.0
		for _, w := range wishes {
			total += w
		}
		for h := range hours {
			want := 5000 * (wishes[h] + wishes[(h+1)%24]) / 2 / total
			if off := math.Abs(float64(hours[h]) - want); off > 5*math.Sqrt(want)+1 {
				t.Errorf("%s: %d orders at %d o'clock, want about %.0f", name, hours[h], h, want)
			}
		}
		if towork < 4*back {
			t.Errorf("%s: %d set out from home in the morning, %d in the evening", name, towork, back)
		}
		for i, trip := range p.trips {
			if i > 0 && trip.due < p.trips[i-1].due || trip.due < 0 || trip.due >= length {
				t.Fatalf("%s: a trip out of order, or of the day: %s", name, trip.due)
			}
		}
	}
}
