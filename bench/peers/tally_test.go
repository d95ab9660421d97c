package main

import (
	"context"
	"strings"
	"testing"
)

func TestTallyAcceptsEveryJobOnceInItsTurn(t *testing.T) {
	for _, kind := range []string{noop, chain, batch} {
		tl := newTally(Case{Kind: kind, Groups: 2, Size: 3})
		for g := range 2 {
			for i := range 3 {
				tl.ran(place{g, i})
			}
			if err := tl.await(context.Background(), g); err != nil {
				t.Error(err)
			}
		}
		if err := tl.check(); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

func TestTallyRefuses(t *testing.T) {
	for _, c := range []struct {
		what, kind string
		order      []int
		want       string
	}{
		{"a job that never ran", noop, []int{0, 2}, "job 1 of group 0 ran 0 times"},
		{"a job that ran twice", noop, []int{0, 1, 2, 2}, "job 2 of group 0 ran 2 times"},
		{"a step before its turn", chain, []int{1, 0, 2}, "job 1 of group 0 ran before its turn"},
		{"a callback before its batch has ended", batch, []int{0, 2, 1}, "job 2 of group 0 ran before its turn"},
	} {
		tl := newTally(Case{Kind: c.kind, Groups: 1, Size: 3})
		for _, i := range c.order {
			tl.ran(place{0, i})
		}
		if err := tl.check(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.what, err, c.want)
		}
	}
}
