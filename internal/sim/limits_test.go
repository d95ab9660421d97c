package sim

import (
	"slices"
	"testing"
)

func TestReportComparesTheKneeWithTheLimits(t *testing.T) {
	knee := 40.0
	r := Report{
		Knee: &knee, Total: Figures{Confirmed: 100},
		Limits: []Limit{{"commits", 3000, 1000}, {"tasks", 800, 500}},
	}
	want := []string{
		"Alone, the server manages 3000 commits a second; an order took 10.0: that allows 300/s.",
		"Alone, the server manages 800 tasks a second; an order took 5.0: that allows 160/s.",
		"The highest step carried is 25 % of the lower.",
	}
	if got := r.limitNotes(); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if r.Knee = nil; len(r.limitNotes()) != 2 {
		t.Error("compares a rate that was not carried")
	}
}
