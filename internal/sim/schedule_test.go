package sim

import (
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// sketch is an arrival without its functions, so that plans can be compared.
type sketch struct {
	due  time.Duration
	step int
	trip bool
}

func sketchOf(p Plan) (all []sketch) {
	for _, a := range p.arrivals {
		all = append(all, sketch{a.due, a.step, a.offer != nil})
	}
	return all
}

func drawCity(t *rapid.T) CityLoad {
	return CityLoad{
		Seed:    rapid.Uint64().Draw(t, "seed"),
		Rates:   rapid.SliceOfN(rapid.Float64Range(0.5, 200), 1, 4).Draw(t, "rates"),
		Ramp:    time.Duration(rapid.IntRange(0, 8000).Draw(t, "ramp")) * time.Millisecond,
		Hold:    time.Duration(rapid.IntRange(1000, 20_000).Draw(t, "hold")) * time.Millisecond,
		Drivers: rapid.SampledFrom([]int{0, 1, 90, 4000}).Draw(t, "drivers"),
		Taxis:   rapid.SampledFrom([]float64{0, 0.5, 1}).Draw(t, "taxis"),
	}
}

// fewOrMany fails unless n is within six standard deviations of a Poisson mean.
func fewOrMany(t *rapid.T, what string, n int, mean float64) {
	if math.Abs(float64(n)-mean) > 6*math.Sqrt(mean)+6 {
		t.Fatalf("%d %s, want about %.1f", n, what, mean)
	}
}

func TestCityPlanKeepsItsRates(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCity(t)
		p := c.Plan()
		inStep, ramped, trips := make([]int, len(c.Rates)), 0, 0
		last := time.Duration(0)
		for i, a := range sketchOf(p) {
			if a.due < last || a.due > p.length() {
				t.Fatalf("arrival %d at %v comes before %v or after the end", i, a.due, last)
			}
			last = a.due
			switch {
			case a.trip:
				trips++
			case a.step == outside:
				ramped++
			default:
				inStep[a.step]++
				if s := p.Steps[a.step]; a.due < s.From || a.due > s.To {
					t.Fatalf("an order of step %d at %v, which is from %v to %v", a.step, a.due, s.From, s.To)
				}
			}
		}
		mean, before := 0.0, 0.0
		for i, rate := range c.Rates {
			fewOrMany(t, "orders of a step", inStep[i], rate*c.Hold.Seconds())
			mean += (before + rate) / 2 * c.Ramp.Seconds()
			before = rate
		}
		fewOrMany(t, "orders of ramps", ramped, mean)
		want := 0.0
		if c.Drivers > 0 {
			want = float64(p.Orders())/ordersPerTrip + float64(c.Drivers)*float64(last)/float64(meanLead)
		}
		if math.Abs(float64(trips)-want) > 1 {
			t.Fatalf("%d trips, want %.1f", trips, want)
		}
	})
}

func TestCityPlanFollowsItsSeed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCity(t)
		a, b := c.Plan(), c.Plan()
		if len(a.arrivals) != len(b.arrivals) || a.stock != b.stock {
			t.Fatal("one seed, two plans")
		}
		for i, x := range sketchOf(a) {
			y := b.arrivals[i]
			if x != (sketch{y.due, y.step, y.offer != nil}) {
				t.Fatalf("arrival %d: one seed, two plans", i)
			}
			if x.trip && !reflect.DeepEqual(a.arrivals[i].offer(noon), y.offer(noon)) || !x.trip && a.arrivals[i].order(noon) != y.order(noon) {
				t.Fatalf("arrival %d: one seed, two people", i)
			}
		}
		c.Seed++
		if other := sketchOf(c.Plan()); len(a.arrivals) > 5 && len(other) > 5 && other[1] == sketchOf(a)[1] {
			t.Fatal("two seeds, one plan")
		}
	})
}

// Half of a ramp's time brings a quarter of its events.
func TestARampClimbsEvenly(t *testing.T) {
	early, all := 0, 0
	for at := range poisson(rand.New(rand.NewPCG(1, 2)), []span{{0, 10 * time.Second, 0, 2000, 0}}) {
		if all++; at < 5*time.Second {
			early++
		}
	}
	between(t, "events", all, 9600, 10_400)
	between(t, "in the first half", early, 2350, 2650)
}

func TestReplayPlan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rides := rides(rapid.IntRange(1, 200).Draw(t, "rides"))
		over := time.Duration(rapid.IntRange(1, 600).Draw(t, "over")) * time.Second
		p := ReplayPlan(rides, over)
		last := time.Duration(0)
		for _, a := range sketchOf(p) {
			if a.due < last || a.due > over || !a.trip && a.due < over/5 || a.step != 0 && !a.trip {
				t.Fatalf("%+v after %v, within %v", a, last, over)
			}
			last = a.due
		}
		if n := p.Orders(); n+p.trips() != len(rides) || math.Abs(p.Steps[0].Rate*(over-over/5).Seconds()-float64(n)) > 1e-6 {
			t.Fatalf("%d orders and %d trips of %d rides at %v", n, p.trips(), len(rides), p.Steps[0].Rate)
		}
	})
	if p := ReplayPlan(nil, time.Minute); len(p.arrivals) != 0 || p.length() != 0 {
		t.Errorf("a plan of nothing: %+v", p)
	}
}

// Some of the city's trips are taxis'; the people are the same.
func TestCityPlanWithTaxis(t *testing.T) {
	for _, c := range []struct {
		share     float64
		low, high int // of 1000 trips
	}{{0, 0, 0}, {0.3, 250, 350}, {1, 1000, 1000}} {
		all, taxis := CityLoad{Seed: 5, Rates: []float64{1}, Hold: time.Second, Drivers: 1000, Taxis: c.share}.Plan(), 0
		plain := NewCity(5)
		for range 1000 {
			got, want := all.offer(noon), plain.Trip(noon)
			if got.Origin != want.Origin || got.Seats != want.Seats {
				t.Fatalf("other people: %+v, %+v", got, want)
			}
			if got.Destination == nil && got.MaxDetourMinutes == 0 {
				taxis++
			}
		}
		if taxis < c.low || taxis > c.high {
			t.Errorf("%d taxis of 1000 with a share of %v", taxis, c.share)
		}
	}
}
