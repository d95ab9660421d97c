package clock

import (
	"fmt"
	"time"
)

// Day is a calendar day as people write it, "2026-03-01". When it begins and
// ends depends on the zone.
type Day string

// DayOf returns the day that it is at t in a zone.
func DayOf(t time.Time, zone *time.Location) Day { return Day(t.In(zone).Format(time.DateOnly)) }

// ParseDay reads a day.
func ParseDay(text string) (Day, error) {
	if _, err := time.Parse(time.DateOnly, text); err != nil {
		return "", fmt.Errorf("%q is not a day such as 2026-03-01", text)
	}
	return Day(text), nil
}

// Span returns when the day begins in a zone and when the next one does, in UTC.
// Days that the clocks are changed on are shorter or longer.
func (d Day) Span(zone *time.Location) (from, until time.Time) {
	y, m, day := d.date()
	return time.Date(y, m, day, 0, 0, 0, 0, zone).UTC(), time.Date(y, m, day+1, 0, 0, 0, 0, zone).UTC()
}

// Before returns the day before.
func (d Day) Before() Day {
	y, m, day := d.date()
	return Day(time.Date(y, m, day-1, 0, 0, 0, 0, time.UTC).Format(time.DateOnly))
}

// date returns the parts of the day; what is no day is the first one there is.
func (d Day) date() (int, time.Month, int) {
	t, _ := time.Parse(time.DateOnly, string(d))
	return t.Date()
}
