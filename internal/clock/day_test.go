package clock

import (
	"testing"
	"time"
)

func TestDay(t *testing.T) {
	shanghai, berlin := zone(t, "Asia/Shanghai"), zone(t, "Europe/Berlin")
	at := func(text string) time.Time {
		when, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return when
	}
	for _, c := range []struct {
		at          string
		zone        *time.Location
		day, before Day
		from, until string
	}{
		{"2026-03-01T15:59:59Z", shanghai, "2026-03-01", "2026-02-28", "2026-02-28T16:00:00Z", "2026-03-01T16:00:00Z"},
		{"2026-03-01T16:00:00Z", shanghai, "2026-03-02", "2026-03-01", "2026-03-01T16:00:00Z", "2026-03-02T16:00:00Z"},
		{"2028-03-01T00:00:00Z", time.UTC, "2028-03-01", "2028-02-29", "2028-03-01T00:00:00Z", "2028-03-02T00:00:00Z"},
		{"2026-10-25T12:00:00Z", berlin, "2026-10-25", "2026-10-24", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"}, // 25 hours
		{"2026-01-01T00:00:00Z", time.UTC, "2026-01-01", "2025-12-31", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"},
	} {
		d := DayOf(at(c.at), c.zone)
		from, until := d.Span(c.zone)
		if d != c.day || d.Before() != c.before || !from.Equal(at(c.from)) || !until.Equal(at(c.until)) || from.Location() != time.UTC {
			t.Errorf("%s in %s: %s after %s, %s to %s", c.at, c.zone, d, d.Before(), from, until)
		}
	}
}

func TestParseDay(t *testing.T) {
	if d, err := ParseDay("2026-02-28"); d != "2026-02-28" || err != nil {
		t.Errorf("%s, %v", d, err)
	}
	for _, text := range []string{"", "today", "2026-2-1", "2026-02-29", "2026-02-28T00:00:00Z", "20260228"} {
		if d, err := ParseDay(text); err == nil {
			t.Errorf("%q is the day %s", text, d)
		}
	}
}

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Skip(err)
	}
	return z
}
