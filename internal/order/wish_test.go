package order

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/spotpool/spotpool/internal/fare"
	"github.com/spotpool/spotpool/internal/fault"
	"github.com/spotpool/spotpool/internal/geo"
	"github.com/spotpool/spotpool/internal/trip"
)

// ruler makes travel easy to compute: a hundredth of a degree is a kilometre and takes a minute.
type ruler struct{}

func (ruler) Locate(p geo.Point) geo.Spot { return geo.Spot{Point: p} }

func (ruler) Pace() float64 { return 50 }

func (ruler) Leg(from, to geo.Spot) geo.Leg {
	metres := math.Round(100_000 * (math.Abs(to.Lat-from.Lat) + math.Abs(to.Lng-from.Lng)))
	return geo.Leg{Metres: metres, Duration: time.Duration(metres/1000*60) * time.Second}
}

// noon lies ahead of the machine's clock, by which the queue tells whether a job's
// deadline has passed.
var noon = time.Date(2126, 5, 4, 12, 0, 0, 0, time.UTC)

// at is a time in minutes after noon.
func at(minutes float64) time.Time { return noon.Add(time.Duration(minutes * float64(time.Minute))) }

// place lies so many minutes north of the equator.
func place(minutes float64) trip.Place {
	return trip.Place{Point: geo.Point{Lat: minutes / 100}, Name: "a place"}
}

var usual = Config{Travel: ruler{}, UsualWait: 15 * time.Minute, MatchFor: 5 * time.Minute, MaxActive: 3, DisputeWindow: 24 * time.Hour}

// shares tells of the rides of more than one order that they were shared.
// aWish is for one seat, twenty minutes' way, from now on.
func aWish() Wish { return Wish{Route: Route{Origin: place(5), Dest: place(25), Seats: 1}} }

func TestQuote(t *testing.T) {
	s := &Service{cfg: usual}
	q, err := s.Quote(Route{Origin: place(5), Dest: place(25), Seats: 2})
	if want := (Quote{Metres: 20_000, Duration: 20 * time.Minute, Price: fare.Price{Solo: 2 * 4400, Pooled: 2 * 3520}}); q != want || err != nil {
		t.Errorf("got %+v, %v, want %+v", q, err, want)
	}
	for name, c := range map[string]struct {
		change      func(*Route)
		code, field string
	}{
		"origin off":          {func(r *Route) { r.Origin.Lat = 90.1 }, "point_off_the_globe", "origin"},
		"destination off":     {func(r *Route) { r.Dest.Lng = -180.1 }, "point_off_the_globe", "destination"},
		"not a number":        {func(r *Route) { r.Dest.Lat = math.NaN() }, "point_off_the_globe", "destination"},
		"long name":           {func(r *Route) { r.Origin.Name = strings.Repeat("车", 201) }, "name_too_long", "origin"},
		"longest name":        {func(r *Route) { r.Origin.Name = strings.Repeat("车", 200) }, "", ""},
		"nowhere":             {func(r *Route) { r.Dest = trip.Place{Point: r.Origin.Point, Name: "same"} }, "origin_equals_destination", "destination"},
		"no seats":            {func(r *Route) { r.Seats = 0 }, "seats_out_of_range", "seats"},
		"negative seats":      {func(r *Route) { r.Seats = -1 }, "seats_out_of_range", "seats"},
		"one seat too many":   {func(r *Route) { r.Seats = 9 }, "seats_out_of_range", "seats"},
		"all seats":           {func(r *Route) { r.Seats = 8 }, "", ""},
		"as far as it may be": {func(r *Route) { r.Dest = place(305) }, "", ""},
		"too far":             {func(r *Route) { r.Dest = place(305.001) }, "too_far", "destination"},
	} {
		r := Route{Origin: place(5), Dest: place(25), Seats: 1}
		c.change(&r)
		_, err := s.Quote(r)
		refused(t, name, err, c.code, c.field)
	}
}

// refused checks that err is the Invalid fault with the code about the field, or nil when code is empty.
func refused(t *testing.T, name string, err error, code, field string) {
	t.Helper()
	if code == "" {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		return
	}
	f, ok := err.(*fault.Error)
	if !ok || f.Kind != fault.Invalid || f.Code != code || len(f.Fields) != 1 || f.Fields[0].Name != field {
		t.Errorf("%s: %v, want %s of %s", name, err, code, field)
	}
}

func TestWindow(t *testing.T) {
	s := &Service{cfg: usual}
	q := Quote{Duration: 20 * time.Minute}
	east := time.FixedZone("east", 8*60*60)
	in := func(minutes float64) *time.Time { at := at(minutes).In(east); return &at }
	const week = 7 * 24 * 60
	for name, c := range map[string]struct {
		departAfter, arriveBefore *time.Time
		depart, arrive, until     float64
		code, field               string
	}{
		// 15 minutes' wait, the way, and a detour of half the way but at least ten minutes
		"nothing said":        {depart: 0, arrive: 45, until: 5},
		"later":               {departAfter: in(60), depart: 60, arrive: 105, until: 65},
		"until":               {arriveBefore: in(24), depart: 0, arrive: 24, until: 4}, // a later pickup is too late
		"just in time":        {arriveBefore: in(20), depart: 0, arrive: 20, until: 0},
		"plenty of time":      {arriveBefore: in(600), depart: 0, arrive: 600, until: 5},
		"both":                {departAfter: in(60), arriveBefore: in(80.5), depart: 60, arrive: 80.5, until: 60.5},
		"a moment ago":        {departAfter: in(-1), depart: -1, arrive: 44, until: 4},
		"in a week":           {departAfter: in(week), depart: week, arrive: week + 45, until: week + 5},
		"too early":           {arriveBefore: in(19.99), code: "arrive_before_too_early", field: "arrive_before"},
		"before it departs":   {departAfter: in(60), arriveBefore: in(30), code: "arrive_before_too_early", field: "arrive_before"},
		"in the past":         {departAfter: in(-1.01), code: "depart_after_in_the_past", field: "depart_after"},
		"more than a week":    {departAfter: in(week + 0.01), code: "depart_after_too_far", field: "depart_after"},
		"arrives in the past": {arriveBefore: in(-30), code: "arrive_before_too_early", field: "arrive_before"},
	} {
		w := aWish()
		w.DepartAfter, w.ArriveBefore = c.departAfter, c.arriveBefore
		depart, arrive, until, err := s.window(w, q, noon)
		refused(t, name, err, c.code, c.field)
		if c.code == "" && (depart != at(c.depart) || arrive != at(c.arrive) || until != at(c.until)) { // the location too
			t.Errorf("%s: from %v to %v, looks until %v; want %v, %v, %v", name, depart, arrive, until, at(c.depart), at(c.arrive), at(c.until))
		}
	}
}

func TestUsualDetour(t *testing.T) {
	for direct, want := range map[time.Duration]time.Duration{
		0: 10 * time.Minute, 20 * time.Minute: 10 * time.Minute, 30 * time.Minute: 15 * time.Minute, 2 * time.Hour: time.Hour,
	} {
		if got := usualDetour(direct); got != want {
			t.Errorf("of %s: %s, want %s", direct, got, want)
		}
	}
}
