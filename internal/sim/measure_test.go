package sim

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/spotpool/spotpool/internal/clock"
)

const ms = Seconds(time.Millisecond)

func TestKnee(t *testing.T) {
	step := func(rate float64, confirmed int, accept, confirm Seconds) Figures {
		f := Figures{Rate: rate, Confirmed: confirmed, Accept: Latency{P99: accept}, Confirm: Latency{P99: confirm}}
		f.Carried = f.carried(time.Second)
		return f
	}
	left := func(rate float64, confirmed, unfinished int) Figures {
		f := Figures{Rate: rate, Confirmed: confirmed, Unfinished: unfinished, Accept: Latency{P99: ms}, Confirm: Latency{P99: ms}}
		f.Carried = f.carried(time.Second)
		return f
	}
	for name, c := range map[string]struct {
		steps []Figures
		want  float64 // 0: none
	}{
		"no steps":               {nil, 0},
		"all":                    {[]Figures{step(5, 9, 10*ms, 100*ms), step(10, 9, 20*ms, 1000*ms)}, 10},
		"the last breaks":        {[]Figures{step(5, 9, 10*ms, 100*ms), step(10, 9, 20*ms, 1001*ms)}, 5},
		"one in between breaks":  {[]Figures{step(5, 9, ms, ms), step(10, 9, ms, 2000*ms), step(20, 9, ms, ms)}, 20},
		"falling rates":          {[]Figures{step(20, 9, ms, ms), step(10, 9, ms, ms)}, 20},
		"the API itself is slow": {[]Figures{step(5, 9, 10*ms, 100*ms), step(10, 9, 1500*ms, 100*ms)}, 5},
		"nothing was confirmed":  {[]Figures{step(5, 0, 10*ms, 0)}, 0},
		"a hundredth unfinished": {[]Figures{left(5, 990, 10)}, 5},
		"more is unfinished":     {[]Figures{left(5, 990, 11)}, 0},
		"none keeps it":          {[]Figures{step(5, 9, 10*ms, 3000*ms)}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			got := 0.0
			if k := knee(c.steps); k != nil {
				got = *k
			}
			if got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestWarnings(t *testing.T) {
	for name, c := range map[string]struct {
		f    Figures
		want []string // parts
	}{
		"keeps up":              {Figures{Offered: 1000, Generator: Generator{Lag: Latency{P99: 19 * ms}, Held: 10, CPU: 1.6}}, nil},
		"late":                  {Figures{Offered: 1000, Generator: Generator{Lag: Latency{P99: 30 * ms}}}, []string{"1 % of the orders were sent 30.0 ms late"}},
		"late, but little":      {Figures{Offered: 1000, Accept: Latency{P99: 400 * ms}, Generator: Generator{Lag: Latency{P99: 30 * ms}}}, nil},
		"held":                  {Figures{Offered: 1000, Generator: Generator{Lag: Latency{P99: 900 * ms}, Held: 11}}, []string{"held 11 of 1000 orders up"}},
		"bound by its CPU":      {Figures{Offered: 1000, Generator: Generator{CPU: 1.7}}, []string{"used 1.7 of 2 cores"}},
		"both":                  {Figures{Offered: 1, Generator: Generator{Lag: Latency{P99: 900 * ms}, CPU: 2}}, []string{"900 ms late", "2.0 of 2"}},
		"nothing was even sent": {Figures{}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got := c.f.warnings(64, 2)
			if len(got) != len(c.want) {
				t.Fatalf("got %q", got)
			}
			for i, part := range c.want {
				if !strings.Contains(got[i], part) {
					t.Errorf("got %q, want %q in it", got[i], part)
				}
			}
		})
	}
}

func TestLatencyIsThatOfASortedList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		micros := rapid.SliceOfN(rapid.IntRange(1, 3_000_000), 1, 300).Draw(t, "microseconds")
		orders := make([]outcome, len(micros))
		for i, us := range micros {
			orders[i].confirm = time.Duration(us) * time.Microsecond
		}
		l := measure{hist: newHistogram()}.latency(append(orders, outcome{}), outcome.toConfirm)
		if l.Count != int64(len(micros)) {
			t.Fatalf("counted %d of %d", l.Count, len(micros))
		}
		for share, got := range map[float64]Seconds{0.5: l.P50, 0.9: l.P90, 0.99: l.P99, 0.999: l.P999, 1: l.Max} {
			below, exceed := 0, 0
			for _, us := range micros {
				d := Seconds(us) * Seconds(time.Microsecond)
				if d <= got {
					below++
				}
				if d > got+got/500+Seconds(time.Microsecond) || d >= got-got/500 {
					exceed++
				}
			}
			n := float64(len(micros))
			if float64(below) < share*n-0.5-1e-9 || float64(exceed) < (1-share)*n-1 {
				t.Fatalf("%v of %v at %v: %d are not above it, %d not below", got, micros, share, below, exceed)
			}
		}
	})
}

func TestSharedRides(t *testing.T) {
	car, other := uuid.NullUUID{UUID: uuid.New(), Valid: true}, uuid.NullUUID{UUID: uuid.New(), Valid: true}
	ride := func(trip uuid.NullUUID, from, to int) outcome {
		return outcome{id: uuid.New(), trip: trip, confirm: 1, pickup: noon.Add(time.Duration(from) * time.Minute), ride: time.Duration(to-from) * time.Minute}
	}
	unconfirmed := ride(car, 0, 60)
	unconfirmed.confirm = 0
	for name, c := range map[string]struct {
		orders []outcome
		want   string // s for each that shares, - for each that does not
	}{
		"alone":                {[]outcome{ride(car, 0, 10)}, "-"},
		"one after the other":  {[]outcome{ride(car, 0, 10), ride(car, 10, 20)}, "--"},
		"a leg together":       {[]outcome{ride(car, 0, 10), ride(car, 9, 20)}, "ss"},
		"one within the other": {[]outcome{ride(car, 5, 6), ride(car, 0, 20), ride(car, 30, 40)}, "ss-"},
		"in two cars":          {[]outcome{ride(car, 0, 10), ride(other, 0, 10)}, "--"},
		"not confirmed":        {[]outcome{ride(car, 0, 10), unconfirmed}, "--"},
		"in none":              {[]outcome{ride(uuid.NullUUID{}, 0, 10), ride(uuid.NullUUID{}, 0, 10)}, "--"},
	} {
		t.Run(name, func(t *testing.T) {
			together, got := shared(c.orders), ""
			for _, o := range c.orders {
				got += map[bool]string{true: "s", false: "-"}[together[o.id]]
			}
			if got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestDetour(t *testing.T) {
	var orders []outcome
	for i := range 10 {
		orders = append(orders, outcome{confirm: 1, direct: 10 * time.Minute, ride: time.Duration(10+i) * time.Minute})
	}
	orders = append(orders, outcome{direct: 1, ride: 100}, outcome{confirm: 1, ride: time.Hour}, outcome{confirm: 1, direct: time.Hour})
	d := detour(orders)
	if d.Count != 10 || d.Mean < 1.449 || d.Mean > 1.451 || d.P90 != 1.8 {
		t.Errorf("got %+v", d)
	}
	if none := detour(nil); none != (Detour{}) {
		t.Errorf("of nothing: %+v", none)
	}
}

func TestRecordCountsAnOrderOnce(t *testing.T) {
	r := newRecord(clock.System{})
	o := Order{ID: uuid.New(), Status: statusMatching, CreatedAt: noon}
	r.saw(o, 0) // before it was placed
	r.placed(outcome{answer: time.Second}, o, nil)
	for i, status := range []string{statusMatching, statusMatched, "unheard_of", statusRiding, statusCompleted} {
		o.Status = status
		r.saw(o, time.Duration(i+2)*time.Second)
		if ended := i >= 3; ended != (len(r.toFollow(false)) == 0) {
			t.Errorf("%s: still followed %v", status, ended)
		}
	}
	out := r.orders[0]
	// The server has not said when: matched 3 s, confirmed 5 s after the beginning, accepted after 1.
	if out.match != 2*time.Second || out.confirm != 4*time.Second || !out.observed || r.now().confirmed != 1 || len(r.toFollow(true)) != 1 {
		t.Errorf("got %+v", out)
	}
}

func TestRecordReckonsByTheWallsClock(t *testing.T) {
	r := newRecord(clock.Fast{Wall: noon, App: noon, Rate: 60})
	o := Order{ID: uuid.New(), Status: statusMatching, CreatedAt: noon}
	r.placed(outcome{}, o, nil)
	o.TripID = uuid.NullUUID{UUID: uuid.New(), Valid: true}
	o.Status, o.MatchedAt, o.ConfirmedAt = statusConfirmed, noon.Add(6*time.Second), noon.Add(time.Minute)
	r.saw(o, 5*time.Second)
	if out := r.orders[0]; out.match != 100*time.Millisecond || out.confirm != time.Second || out.observed {
		t.Errorf("got %+v", out)
	}
}

func TestRecordTakesTheServersTimes(t *testing.T) {
	r := newRecord(clock.System{})
	o := Order{ID: uuid.New(), Status: statusMatching, CreatedAt: noon}
	r.placed(outcome{}, o, nil)
	o.Status, o.MatchedAt, o.ConfirmedAt = statusConfirmed, noon.Add(20*time.Millisecond), noon.Add(70*time.Millisecond)
	o.TripID, o.DurationS = uuid.NullUUID{UUID: uuid.New(), Valid: true}, 600
	o.PickupAt, o.DropoffAt = noon.Add(time.Hour), noon.Add(time.Hour+11*time.Minute)
	r.saw(o, 5*time.Second)
	o.DropoffAt = o.DropoffAt.Add(time.Minute) // somebody joined
	r.saw(o, 6*time.Second)
	out := r.orders[0]
	if out.match != 20*time.Millisecond || out.confirm != 70*time.Millisecond || out.observed ||
		out.ride != 12*time.Minute || out.direct != 10*time.Minute || r.now().confirmed != 1 {
		t.Errorf("got %+v", out)
	}
}

func TestSeriesPutsEachInItsSecond(t *testing.T) {
	at := func(seconds float64) time.Duration { return time.Duration(seconds * float64(time.Second)) }
	all := series([]outcome{
		{due: at(0.5), answer: at(0.1), confirm: at(1.5), lag: at(0.05)},
		{due: at(0.9), answer: at(0.3)},
		{due: at(2.2), answer: at(1), code: "busy"},
	}, []sampled{{at: at(1), queues: []QueueState{{"a", 3, 1}, {"b", 4, 0}}}, {at: at(2)}, {at: at(99), queues: []QueueState{}}})
	if len(all) != 4 {
		t.Fatalf("%d seconds", len(all))
	}
	for i, want := range []Second{{Offered: 2, Accepted: 1}, {Accepted: 1}, {Offered: 1, Confirmed: 1}, {Refused: 1}} {
		got := all[i]
		if got.At != i || got.Offered != want.Offered || got.Accepted != want.Accepted || got.Refused != want.Refused || got.Confirmed != want.Confirmed {
			t.Errorf("second %d: %+v", i, got)
		}
	}
	if all[0].Accept.Count != 2 || all[2].Accept.Count != 0 || all[0].Confirm.Count != 1 || all[2].Lag.Count != 1 {
		t.Errorf("latencies: %+v", all)
	}
	if all[0].Pending != nil || all[2].Pending != nil || all[1].Pending == nil || *all[1].Pending != 7 || *all[1].Active != 1 {
		t.Errorf("queues: %+v", all)
	}
}
