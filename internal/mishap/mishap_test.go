package mishap

import (
	"errors"
	"slices"
	"testing"
)

var (
	errGone = errors.New("gone")
	errSaid = errors.New("said no")
)

// outcomes makes n calls and returns what came of each: whether it was made, and its error.
func outcomes(l *Lot, n int) (all []string) {
	for range n {
		made := "not made"
		err := l.Call(errGone, func() error { made = "made"; return errSaid })
		all = append(all, made+", "+err.Error())
	}
	return all
}

func count(all []string, what string) (n int) {
	for _, o := range all {
		if o == what {
			n++
		}
	}
	return n
}

func TestCallsGoWrongAtTheirRates(t *testing.T) {
	const n = 20_000
	all := outcomes(New(1, 3, 2), n)
	out, lost, well := count(all, "not made, gone"), count(all, "made, gone"), count(all, "made, said no")
	if out < 500 || out > 700 || lost < 320 || lost > 480 || out+lost+well != n {
		t.Errorf("of %d calls, %d were not made, the answers of %d were lost, %d went well", n, out, lost, well)
	}
}

func TestTheSameSeedGivesTheSameSequence(t *testing.T) {
	if a, b := outcomes(New(7, 10, 10), 500), outcomes(New(7, 10, 10), 500); !slices.Equal(a, b) {
		t.Error("they differ")
	}
	if a, b := outcomes(New(7, 10, 10), 500), outcomes(New(8, 10, 10), 500); slices.Equal(a, b) {
		t.Error("another seed changes nothing")
	}
}

func TestNothingGoesWrongByDefault(t *testing.T) {
	for _, l := range []*Lot{nil, New(1, 0, 0)} {
		if n := count(outcomes(l, 1000), "made, said no"); n != 1000 {
			t.Errorf("%d of 1000 calls went well", n)
		}
	}
	if n := count(outcomes(New(1, 100, 0), 1000), "not made, gone"); n != 1000 {
		t.Errorf("%d of 1000 calls were not made", n)
	}
}
