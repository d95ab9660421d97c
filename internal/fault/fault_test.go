package fault

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"testing"
)

func TestKindAndCode(t *testing.T) {
	gone := New(NotFound, "order_not_found", "there is no order %d", 7)
	for name, c := range map[string]struct {
		err  error
		kind Kind
		code string
		text string
	}{
		"a fault":          {gone, NotFound, "order_not_found", "order_not_found: there is no order 7"},
		"wrapped":          {fmt.Errorf("read: %w", gone), NotFound, "order_not_found", "read: order_not_found: there is no order 7"},
		"joined":           {errors.Join(io.EOF, gone), NotFound, "order_not_found", "EOF\norder_not_found: there is no order 7"},
		"with a cause":     {Wrap(io.EOF, Unavailable, "gateway_down", "no answer"), Unavailable, "gateway_down", "gateway_down: no answer: EOF"},
		"the outer counts": {Wrap(gone, Conflict, "outer", "x"), Conflict, "outer", "outer: x: order_not_found: there is no order 7"},
		"not classified":   {io.EOF, Internal, "internal", "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			if k := KindOf(c.err); k != c.kind {
				t.Errorf("kind %d, want %d", k, c.kind)
			}
			if code := CodeOf(c.err); code != c.code {
				t.Errorf("code %q, want %q", code, c.code)
			}
			if got := c.err.Error(); got != c.text {
				t.Errorf("text %q, want %q", got, c.text)
			}
		})
	}
	if KindOf(nil) != Internal || CodeOf(nil) != "internal" {
		t.Error("no error has a kind or code of its own")
	}
}

func TestAFaultIsASentinel(t *testing.T) {
	stale := New(Conflict, "trip_stale", "the trip has changed")
	for name, c := range map[string]struct {
		err  error
		want bool
	}{
		"itself":                {stale, true},
		"wrapped":               {fmt.Errorf("assign: %w", stale), true},
		"same code, other text": {New(Conflict, "trip_stale", "seen at version %d", 3), true},
		"as a cause":            {Wrap(stale, Internal, "x", "y"), true},
		"another code":          {New(Conflict, "trip_gone", "the trip has changed"), false},
		"no fault":              {io.EOF, false},
		"nil":                   {nil, false},
	} {
		if got := errors.Is(c.err, stale); got != c.want {
			t.Errorf("%s: errors.Is says %v", name, got)
		}
	}
	if !errors.Is(Wrap(io.EOF, Internal, "x", "y"), io.EOF) {
		t.Error("the cause of a fault cannot be found")
	}
}

func TestFieldf(t *testing.T) {
	got := Fieldf("seats", "seats_out_of_range", "seats must be from 1 to %d", 8)
	want := &Error{
		Kind: Invalid, Code: "seats_out_of_range", Detail: "seats must be from 1 to 8",
		Fields: []Field{{Name: "seats", Detail: "seats must be from 1 to 8"}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
