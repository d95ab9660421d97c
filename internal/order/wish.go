package order

import (
	"time"

	"github.com/spotpool/spotpool/internal/fare"
	"github.com/spotpool/spotpool/internal/fault"
	"github.com/spotpool/spotpool/internal/geo"
	"github.com/spotpool/spotpool/internal/trip"
)

// Limits of what may be ordered.
const (
	maxMetres = 300_000 // of the direct way
	maxPast   = time.Minute
	maxAhead  = 7 * 24 * time.Hour

	// maxArrival leaves a day for the ride itself.
	maxArrival = maxAhead + 24*time.Hour
)

// Route is from where to where, and for how many.
type Route struct {
	Origin trip.Place
	Dest   trip.Place
	Seats  int
}

// Quote is what a route costs. It is binding for an order of the same route.
type Quote struct {
	Metres   int
	Duration time.Duration
	Price    fare.Price
}

// check returns the first fault in the route.
func (r Route) check() error {
	if err := r.Origin.Check("origin"); err != nil {
		return err
	}
	if err := r.Dest.Check("destination"); err != nil {
		return err
	}
	if r.Origin.Point == r.Dest.Point {
		return fault.Fieldf("destination", "origin_equals_destination", "origin and destination must differ")
	}
	if r.Seats < 1 || r.Seats > trip.MaxSeats {
		return fault.Fieldf("seats", "seats_out_of_range", "seats must be from 1 to %d", trip.MaxSeats)
	}
	return nil
}

// Quote returns distance, duration and price of a route, or an Invalid fault:
// point_off_the_globe, name_too_long, origin_equals_destination,
// seats_out_of_range, too_far, or one of trip.Way's.
func (s *Service) Quote(r Route) (Quote, error) {
	if err := r.check(); err != nil {
		return Quote{}, err
	}
	leg, err := trip.Way(s.cfg.Travel, r.Origin, r.Dest)
	if err != nil {
		return Quote{}, err
	}
	if leg.Metres > maxMetres {
		return Quote{}, fault.Fieldf("destination", "too_far", "the way must not be longer than %d km", maxMetres/1000)
	}
	q := Quote{Metres: int(leg.Metres), Duration: leg.Duration}
	q.Price = fare.Of(q.Metres, q.Duration, r.Seats)
	return q, nil
}

// Wish is what a rider orders.
type Wish struct {
	Route
	DepartAfter  *time.Time // nil: now
	ArriveBefore *time.Time // nil: after a usual wait and detour
}

// window works out from when and until when the rider may travel, and how long
// a trip is looked for.
func (s *Service) window(w Wish, q Quote, now time.Time) (depart, arrive, until time.Time, err error) {
	depart = now
	if w.DepartAfter != nil {
		depart = w.DepartAfter.UTC().Truncate(time.Microsecond)
	}
	switch {
	case depart.Before(now.Add(-maxPast)):
		return depart, arrive, until, fault.Fieldf("depart_after", "depart_after_in_the_past", "depart_after lies in the past")
	case depart.After(now.Add(maxAhead)):
		return depart, arrive, until, fault.Fieldf("depart_after", "depart_after_too_far",
			"depart_after must be within %d days", maxAhead/(24*time.Hour))
	}
	arrive = depart.Add(s.cfg.UsualWait + q.Duration + usualDetour(q.Duration))
	if w.ArriveBefore != nil {
		arrive = w.ArriveBefore.UTC().Truncate(time.Microsecond)
	}
	if earliest := depart.Add(q.Duration); arrive.Before(earliest) {
		return depart, arrive, until, fault.Fieldf("arrive_before", "arrive_before_too_early",
			"the direct way takes %s; arrive_before must not be earlier than %s", q.Duration, earliest.Format(time.RFC3339))
	}
	if arrive.After(now.Add(maxArrival)) {
		return depart, arrive, until, fault.Fieldf("arrive_before", "arrive_before_too_far",
			"arrive_before must be within %d days", maxArrival/(24*time.Hour))
	}
	return depart, arrive, s.matchUntil(depart, arrive, q.Duration), nil
}

// matchUntil returns how long a trip is looked for: a while from the given time on,
// but not beyond the last pickup that can arrive in time.
func (s *Service) matchUntil(from, arrive time.Time, direct time.Duration) time.Time {
	until := from.Add(s.cfg.MatchFor)
	if last := arrive.Add(-direct); last.Before(until) {
		until = last
	}
	return until
}

// usualDetour is how much longer than the direct way a rider accepts to sit in
// the car: half of it, at least ten minutes.
func usualDetour(direct time.Duration) time.Duration {
	return max(direct/2, 10*time.Minute)
}

// Config is what an installation may set.
type Config struct {
	Travel    geo.Travel
	UsualWait time.Duration // how long a rider without arrive_before waits for the pickup
	MatchFor  time.Duration // how long a trip is looked for, from depart_after on
	MaxActive int           // orders a rider may hold at a time

	DisputeWindow time.Duration // from a trip's end until its driver is paid
}
