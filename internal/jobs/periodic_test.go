package jobs

import (
	"testing"
	"time"
)

func TestSlot(t *testing.T) {
	const day = 24 * time.Hour
	for _, c := range []struct {
		every, offset time.Duration
		now, want     string
	}{
		{time.Hour, 0, "2026-03-01T08:59:59Z", "2026-03-01T08:00:00Z"},
		{time.Hour, 0, "2026-03-01T09:00:00Z", "2026-03-01T09:00:00Z"},
		{day, 0, "2026-03-01T08:00:00Z", "2026-03-01T00:00:00Z"},
		{day, 18 * time.Hour, "2026-03-01T17:59:59Z", "2026-02-28T18:00:00Z"}, // two o'clock in Shanghai
		{day, 18 * time.Hour, "2026-03-01T18:00:00Z", "2026-03-01T18:00:00Z"},
		{day, -6 * time.Hour, "2026-03-01T17:59:59Z", "2026-02-28T18:00:00Z"}, // the same
		{day, -6 * time.Hour, "2026-03-01T18:00:00Z", "2026-03-01T18:00:00Z"},
		{day, 42 * time.Hour, "2026-03-01T18:00:00Z", "2026-03-01T18:00:00Z"}, // the same
		{7 * time.Minute, time.Minute, "1970-01-01T00:00:30Z", "1969-12-31T23:54:00Z"},
	} {
		now, err := time.Parse(time.RFC3339, c.now)
		if err != nil {
			t.Fatal(err)
		}
		got := Periodic{Every: c.every, Offset: c.offset}.slot(now)
		if got.Format(time.RFC3339) != c.want {
			t.Errorf("every %s and %s at %s: %s, want %s", c.every, c.offset, c.now, got.Format(time.RFC3339), c.want)
		}
	}
}
