package trip

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/fault"
	"github.com/spotpool/spotpool/internal/statechart"
)

var allStops = []StopState{Ahead, Reached, Made, Missed, Dropped}

// The state machines in docs/architecture.md are those of the transition tables.
func TestStateMachinesAreDescribed(t *testing.T) {
	statechart.Described(t, "Trip", "open", statechart.Words(transitions))
	statechart.Described(t, "Stop", Ahead, stopTransitions)
}

// What each act does to a stop in each state: its next state, or the code of the
// refusal; "again" where nothing is left to do.
func TestActs(t *testing.T) {
	const wait = 3 * time.Minute
	for _, c := range []struct {
		kind StopKind
		act  Act
		want [5]string // by the stop's state, as allStops has them
	}{
		{Pickup, Arrive, [5]string{"reached", "again", "again", "again", "stop_over"}},
		{Pickup, PickUp, [5]string{"made", "made", "again", "stop_over", "stop_over"}},
		{Pickup, NoShow, [5]string{"no_show_too_early", "missed", "stop_over", "again", "stop_over"}},
		{Pickup, DropOff, [5]string{"stop_of_other_kind", "stop_of_other_kind", "stop_of_other_kind", "stop_of_other_kind", "stop_of_other_kind"}},
		{Dropoff, Arrive, [5]string{"reached", "again", "again", "again", "stop_over"}},
		{Dropoff, PickUp, [5]string{"stop_of_other_kind", "stop_of_other_kind", "stop_of_other_kind", "stop_of_other_kind", "stop_of_other_kind"}},
		{Dropoff, NoShow, [5]string{"stop_of_other_kind", "stop_of_other_kind", "stop_of_other_kind", "stop_of_other_kind", "stop_of_other_kind"}},
		{Dropoff, DropOff, [5]string{"made", "made", "again", "stop_over", "stop_over"}},
	} {
		for i, state := range allStops {
			s := Stop{Kind: c.kind, State: state, At: at(5)}
			if state == Reached || state == Made || state == Missed {
				s.Reached = noon
			}
			got, p := "again", Plan{s}
			if !s.has(c.act) {
				if err := p.do(1, c.act, at(7), wait); err != nil {
					got = fault.CodeOf(err)
				} else {
					got = p[0].State.String()
				}
			}
			if got != c.want[i] {
				t.Errorf("%s at a %s that is %s: %s, want %s", c.act, c.kind, state, got, c.want[i])
			}
			if changed := p[0].State != state; changed && (!state.Can(p[0].State) || !p[0].At.Equal(at(7)) || p[0].Reached.IsZero()) {
				t.Errorf("%s at a %s that was %s: %+v", c.act, c.kind, state, p[0])
			}
		}
	}
}

func TestStopsAreMadeInTheirOrder(t *testing.T) {
	a, b := uuid.New(), uuid.New()
	p := Plan{pickup(a, 5, 1, 0), pickup(b, 6, 1, 0), dropoff(a, 10, 1, 60), dropoff(b, 12, 1, 60)}
	if err := p.do(2, PickUp, noon, 0); fault.CodeOf(err) != "stop_not_next" {
		t.Errorf("the second before the first: %v", err)
	}
	for n, act := range []Act{Arrive, PickUp} {
		if err := p.do(1, act, at(n), 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.do(2, Arrive, at(5), 0); err != nil {
		t.Fatal(err)
	}
	if err := p.do(2, NoShow, at(5), 0); err != nil || p[1].State != Missed || p[3].State != Dropped || p[2].State != Ahead {
		t.Errorf("b did not come: %+v, %v", p, err)
	}
	if got := p.Pending(); !slices.Equal(got, []uuid.UUID{a}) || !p.left() || !p.begun() || p.MaxLoad() != 1 {
		t.Errorf("pending %v, left %v, begun %v, load %d", got, p.left(), p.begun(), p.MaxLoad())
	}
	if err := p.do(3, DropOff, at(9), 0); err != nil || p.left() {
		t.Errorf("a leaves: %+v, %v", p, err)
	}
	if got := p.Orders(); !slices.Equal(got, []uuid.UUID{a, b}) {
		t.Errorf("orders %v", got)
	}
}

// A driver waits from when the rider is to be there.
func TestNoShowFrom(t *testing.T) {
	for name, c := range map[string]struct {
		earliest, told, want int
	}{
		"at once":                   {0, 0, 13},
		"not before the wish":       {12, 0, 15},
		"not before what was told":  {0, 14, 17},
		"told earlier than wished":  {14, 12, 17},
		"both before the driver is": {5, 6, 13},
	} {
		s := Stop{Kind: Pickup, State: Reached, Reached: at(10), Earliest: at(c.earliest), Due: at(c.told)}
		if got := s.NoShowFrom(3 * time.Minute); !got.Equal(at(c.want)) {
			t.Errorf("%s: %v, want %v", name, got, at(c.want))
		}
		for _, other := range []Stop{{Kind: Dropoff, State: Reached, Reached: at(10)}, {Kind: Pickup}, {Kind: Pickup, State: Made, Reached: at(10)}} {
			if got := other.NoShowFrom(time.Minute); !got.IsZero() {
				t.Errorf("%+v: %v", other, got)
			}
		}
		early, p := at(c.want).Add(-time.Microsecond), Plan{s}
		if err := p.do(1, NoShow, early, 3*time.Minute); fault.CodeOf(err) != "no_show_too_early" {
			t.Errorf("%s: a moment before: %v", name, err)
		}
		if err := p.do(1, NoShow, at(c.want), 3*time.Minute); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestShared(t *testing.T) {
	a, b, c := uuid.New(), uuid.New(), uuid.New()
	up := func(id uuid.UUID, lat float64) Stop {
		return Stop{OrderID: id, Kind: Pickup, Place: place(lat), State: Made}
	}
	down := func(id uuid.UUID, lat float64) Stop {
		return Stop{OrderID: id, Kind: Dropoff, Place: place(lat), State: Made}
	}
	as := func(s Stop, state StopState) Stop {
		s.State = state
		return s
	}
	for name, tc := range map[string]struct {
		plan Plan
		want []uuid.UUID // of those that shared
	}{
		"alone":               {Plan{up(a, 1), down(a, 2)}, nil},
		"one after the other": {Plan{up(a, 1), down(a, 2), up(b, 2), down(b, 3)}, nil},
		"overlap":             {Plan{up(a, 1), up(b, 2), down(a, 3), down(b, 4)}, []uuid.UUID{a, b}},
		"within":              {Plan{up(a, 1), up(b, 2), down(b, 3), down(a, 4)}, []uuid.UUID{a, b}},
		"at one place only":   {Plan{up(a, 1), up(b, 2), down(a, 2), down(b, 4)}, nil},
		"the third alone":     {Plan{up(a, 1), up(b, 2), down(a, 3), down(b, 4), up(c, 5), down(c, 6)}, []uuid.UUID{a, b}},
		"no show":             {Plan{up(a, 1), as(up(b, 2), Missed), down(a, 3), as(down(b, 4), Dropped)}, nil},
		"called off":          {Plan{up(a, 1), as(up(b, 2), Dropped), down(a, 3), as(down(b, 4), Dropped)}, nil},
		"not driven yet":      {Plan{up(a, 1), as(up(b, 2), Ahead), as(down(a, 3), Ahead), as(down(b, 4), Ahead)}, nil},
		"from the same place": {Plan{up(a, 1), up(b, 1), down(a, 3), down(b, 4)}, []uuid.UUID{a, b}},
	} {
		for _, id := range []uuid.UUID{a, b, c} {
			if got := tc.plan.Shared(id); got != slices.Contains(tc.want, id) {
				t.Errorf("%s: %v of %v shared", name, got, id)
			}
		}
	}
}

// Riders are told when a time differs by more than five minutes from what they were
// told last, once for each such change.
func TestNews(t *testing.T) {
	a, b := uuid.New(), uuid.New()
	plan := func(minutes ...int) Plan {
		p := Plan{pickup(a, 1, 1, 0), pickup(b, 2, 1, 0), dropoff(a, 3, 1, 0), dropoff(b, 4, 1, 0)}
		for i := range p {
			p[i].At = at(minutes[i])
		}
		return p
	}
	before := plan(10, 20, 30, 40)
	for _, c := range []struct {
		name  string
		times [4]int
		want  []uuid.UUID
	}{
		{"five minutes", [4]int{15, 25, 35, 45}, nil},
		{"creeping on", [4]int{16, 25, 35, 45}, []uuid.UUID{a}},
		{"as told", [4]int{16, 25, 35, 45}, nil},
		{"only the arrival", [4]int{16, 25, 35, 46}, []uuid.UUID{b}},
		{"everyone, once each", [4]int{30, 40, 50, 60}, []uuid.UUID{a, b}},
		{"earlier", [4]int{24, 34, 44, 54}, []uuid.UUID{a, b}},
	} {
		after := plan(c.times[:]...)
		for i := range after {
			after[i].Told, after[i].Due = before[i].Told, before[i].Due
		}
		if got := after.news(before); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
		before = after
	}
	if told, due := before[0].Told, before[0].Due; !told.Equal(at(24)) || !due.Equal(at(30)) {
		t.Errorf("told %s last, %s at the latest", told, due)
	}
	over := plan(90, 90, 90, 90)
	over[0].State, over[1].State = Made, Reached
	over[2].Told, over[3].Told = at(90), at(90)
	if got := over.news(before); got != nil {
		t.Errorf("of stops that are over, or where the driver stands: %v", got)
	}
}
