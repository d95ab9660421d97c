package notify

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
)

// parts returns who is told of what: each event of each audience.
func parts() (all []part) {
	add := func(p part) {
		if !slices.Contains(all, p) {
			all = append(all, p)
		}
	}
	for _, ps := range concerned {
		for _, p := range ps {
			add(p)
		}
	}
	for _, ev := range []Event{Departed, Near, Late, Rematching, Completed, Receipted} {
		add(part{ToRider, ev})
	}
	for _, ev := range []Event{Left, TripCancelled, Reached, Unreached, Settled, Statement} {
		add(part{ToDriver, ev})
	}
	return all
}

func TestWorthSMS(t *testing.T) {
	want := map[Event][]Audience{
		Matched: {ToRider, ToDriver}, Reminder: {ToRider}, Rematching: {ToRider}, Moved: {ToRider}, Left: {ToDriver},
		Near: {ToRider}, Here: {ToRider}, NoShow: {ToRider}, Late: {ToRider}, Expired: {ToRider}, Declined: {ToRider}, Cancelled: {ToRider},
		TripCancelled: {ToDriver},
	}
	for _, p := range parts() {
		if got := worthSMS(p.as, p.to); got != slices.Contains(want[p.as], p.to) {
			t.Errorf("%s to %s: %t", p.as, p.to, got)
		}
	}
}

func TestMoot(t *testing.T) {
	on, other := uuid.New(), uuid.New()
	for _, c := range []struct {
		name string
		ride Ride
		trip uuid.UUID
		news []Event // that are still news of it
	}{
		{"seated", Ride{TripID: on, Seated: true}, on, []Event{Matched, Late, Departed, Near, Here, Rematching}},
		{"seated somewhere", Ride{TripID: on, Seated: true}, uuid.Nil, []Event{Matched, Late, Departed, Near, Here, Rematching}},
		{"seated elsewhere", Ride{TripID: other, Seated: true}, on, []Event{Rematching}},
		{"in the car", Ride{TripID: on, Seated: true, Aboard: true}, on, []Event{Matched, Late, Departed, Rematching}},
		{"driven", Ride{TripID: on, Arrived: true}, on, []Event{Completed, Rematching}},
		{"looks for a trip", Ride{}, on, []Event{Rematching}},
		{"closed", Ride{TripID: on, Over: true}, on, nil},
	} {
		for _, ev := range []Event{Matched, Late, Departed, Near, Here, Completed, Rematching} {
			if got, want := moot(ev, c.ride, c.trip) == "", slices.Contains(c.news, ev); got != want {
				t.Errorf("%s: %s is news %t, want %t", c.name, ev, got, want)
			}
		}
		if moot(Cancelled, c.ride, c.trip) != "" {
			t.Errorf("%s: a cancel is always news", c.name)
		}
	}
	for driver, want := range map[uuid.UUID]bool{other: true, on: false} {
		if got := moot(Rate, Ride{RiderID: on, DriverID: driver}, uuid.Nil) == ""; got != want {
			t.Errorf("driven by %s, rider %s is asked to rate: %t", driver, on, got)
		}
	}
}

func TestParseQuiet(t *testing.T) {
	for text, want := range map[string]Quiet{
		"none":          {},
		"22:00-07:00":   {22 * time.Hour, 7 * time.Hour},
		"13:30 - 14:45": {13*time.Hour + 30*time.Minute, 14*time.Hour + 45*time.Minute},
		"00:00-06:00":   {0, 6 * time.Hour},
	} {
		if got, err := ParseQuiet(text); err != nil || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"22:00", "22-7", "24:00-07:00", "22:00-22:00", "night", "-", ""} {
		if got, err := ParseQuiet(text); err == nil || got != (Quiet{}) {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// What waits for the end of quiet hours, and for how long.
func TestQuietHours(t *testing.T) {
	zone := time.FixedZone("UTC+8", 8*60*60)
	at := func(day, hour, minute int) time.Time { return time.Date(2026, 5, day, hour, minute, 0, 0, zone) }
	night, noon := Quiet{22 * time.Hour, 7 * time.Hour}, Quiet{12 * time.Hour, 14 * time.Hour}
	for _, c := range []struct {
		name    string
		quiet   Quiet
		now     time.Time
		event   Event
		happens time.Time
		wait    time.Duration
	}{
		{"by day", night, at(4, 21, 59), Matched, at(5, 9, 0), 0},
		{"from the first minute", night, at(4, 22, 0), Matched, at(5, 9, 0), 9 * time.Hour},
		{"before midnight", night, at(4, 23, 30), Matched, at(5, 9, 0), 7*time.Hour + 30*time.Minute},
		{"after midnight", night, at(5, 0, 0), Matched, at(5, 9, 0), 7 * time.Hour},
		{"the last minute", night, at(5, 6, 59), Matched, at(5, 9, 0), time.Minute},
		{"at the end", night, at(5, 7, 0), Matched, at(5, 9, 0), 0},
		{"it happens before the end", night, at(4, 23, 30), Matched, at(5, 6, 30), 0},
		{"it happens at the end", night, at(4, 23, 30), Matched, at(5, 7, 0), 0},
		{"a delay of a trip that departs soon", night, at(4, 23, 30), Late, at(5, 0, 10), 0},
		{"a delay of a trip of the next day", night, at(4, 23, 30), Late, at(5, 8, 0), 7*time.Hour + 30*time.Minute},
		{"the driver is near", night, at(4, 23, 30), Near, at(5, 9, 0), 0},
		{"a trip is called off", night, at(4, 23, 30), Rematching, at(5, 9, 0), 0},
		{"an order is called off", night, at(4, 23, 30), Cancelled, at(5, 9, 0), 0},
		{"nobody knows when", night, at(4, 23, 30), Declined, time.Time{}, 0},
		{"within a day", noon, at(4, 13, 0), Moved, at(4, 18, 0), time.Hour},
		{"outside, within a day", noon, at(4, 23, 0), Moved, at(5, 18, 0), 0},
		{"never", Quiet{}, at(4, 23, 30), Matched, at(5, 9, 0), 0},
	} {
		if got := c.quiet.hold(c.event, c.happens, c.now); got != c.wait {
			t.Errorf("%s: waits %s, want %s", c.name, got, c.wait)
		}
	}
}

// Where clocks are moved in the night, quiet hours end when clocks show it.
func TestQuietHoursWhenClocksAreMoved(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip("no time zones here:", err)
	}
	now := time.Date(2026, 3, 28, 23, 0, 0, 0, zone) // the night in which an hour is left out
	if got := (Quiet{22 * time.Hour, 7 * time.Hour}).ends(now).Sub(now); got != 7*time.Hour {
		t.Errorf("ends in %s, want seven hours", got)
	}
}
