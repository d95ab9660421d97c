package logs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"
)

// lines returns what was logged, without the time.
func lines(t *testing.T, out *bytes.Buffer) (found []map[string]any) {
	t.Helper()
	for line := range strings.Lines(out.String()) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("not JSON: %q: %v", line, err)
		}
		if _, err := time.Parse(time.RFC3339Nano, m["time"].(string)); err != nil {
			t.Error(err)
		}
		delete(m, "time")
		found = append(found, m)
	}
	return found
}

func TestLinesCarryTheContext(t *testing.T) {
	var out bytes.Buffer
	log := New(&out, slog.LevelInfo)
	request := With(t.Context(), slog.String("request_id", "r1"))
	one := With(request, slog.String("order_id", "o1"), slog.Int("seats", 2))
	two := With(request, slog.String("order_id", "o2"))

	log.InfoContext(one, "placed")
	log.With("worker", 3).WarnContext(two, "late", "err", errors.New("boom"), "took", 1500*time.Millisecond)
	log.InfoContext(request, "answered")
	log.InfoContext(context.Background(), "idle")
	log.DebugContext(one, "not this")

	want := []map[string]any{
		{"level": "INFO", "msg": "placed", "request_id": "r1", "order_id": "o1", "seats": 2.0},
		{"level": "WARN", "msg": "late", "worker": 3.0, "err": "boom", "took": "1.5s", "request_id": "r1", "order_id": "o2"},
		{"level": "INFO", "msg": "answered", "request_id": "r1"},
		{"level": "INFO", "msg": "idle"},
	}
	if got := lines(t, &out); !reflect.DeepEqual(got, want) {
		t.Errorf("logged\n%v\nwant\n%v", got, want)
	}
}

func TestDurationsOfTheContextAreReadableToo(t *testing.T) {
	var out bytes.Buffer
	log := New(&out, slog.LevelInfo).WithGroup("job")
	log.InfoContext(With(t.Context(), slog.Duration("added", 90*time.Second)), "matched", slog.Duration("took", time.Millisecond))
	want := []map[string]any{{"level": "INFO", "msg": "matched", "job": map[string]any{"took": "1ms", "added": "1m30s"}}}
	if got := lines(t, &out); !reflect.DeepEqual(got, want) {
		t.Errorf("logged %v, want %v", got, want)
	}
}

// Two contexts made from one parent must not write into each other's attributes.
func TestContextsDoNotShareAttributes(t *testing.T) {
	parent := With(t.Context(), slog.Int("a", 1), slog.Int("b", 2))
	parent = With(parent, slog.Int("c", 3)) // may leave room behind in the slice
	one, two := With(parent, slog.String("who", "one")), With(parent, slog.String("who", "two"))
	var out bytes.Buffer
	log := New(&out, slog.LevelInfo)
	log.InfoContext(one, "")
	log.InfoContext(two, "")
	for i, want := range []string{"one", "two"} {
		if got := lines(t, &out)[i]["who"]; got != want {
			t.Errorf("line %d says %v, want %s", i, got, want)
		}
	}
}
