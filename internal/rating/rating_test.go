package rating

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/fault"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
)

func TestTenths(t *testing.T) {
	for _, c := range []struct{ sum, count, want int }{{0, 0, 0}, {5, 1, 50}, {9, 2, 45}, {14, 3, 47}, {13, 3, 43}, {37, 8, 46}, {35, 8, 44}} {
		if got := (Average{c.sum, c.count}).Tenths(); got != c.want {
			t.Errorf("%d stars of %d: %d tenths, want %d", c.sum, c.count, got, c.want)
		}
	}
}

func TestClean(t *testing.T) {
	for comment, want := range map[string]struct{ kept, code string }{
		"":                        {"", ""},
		" \n":                     {"", ""},
		"\t很好 👍🏽 ":                {"很好 👍🏽", ""},
		strings.Repeat("长", 300):  {strings.Repeat("长", 300), ""},
		strings.Repeat("a", 301):  {"", "comment_too_long"},
		"a\nb":                    {"", "comment_unprintable"},
		"a\x00":                   {"", "comment_unprintable"},
		"\u202egnorw si redro":    {"", "comment_unprintable"},
		strings.Repeat(" ", 1000): {"", ""},
	} {
		got, err := clean(comment)
		if code := fault.CodeOf(err); got != want.kept || err != nil && code != want.code || err == nil && want.code != "" {
			t.Errorf("%.20q: %.20q, %v", comment, got, err)
		}
	}
}

// world is a service whose rides the test makes up.
type world struct {
	*Service
	t     *testing.T
	h     *jobstest.Harness
	rides map[uuid.UUID]Ride
}

func (w *world) Ridden(_ *db.Tx, order uuid.UUID) (Ride, error) {
	r, ok := w.rides[order]
	if !ok {
		return r, fault.New(fault.NotFound, "order_not_found", "there is no such order")
	}
	return r, nil
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, h: jobstest.NewSync(t), rides: map[uuid.UUID]Ride{}}
	w.Service = New(w.h.DB, w.h.Client, w, w.h.Clock)
	w.Register(w.h.Registry)
	return w
}

// ridden is an order whose ride is over.
func (w *world) ridden(rider, driver uuid.UUID) uuid.UUID {
	order, now := uuid.New(), w.h.Clock.Now()
	w.rides[order] = Ride{Rider: rider, Driver: driver, Over: &now}
	return order
}

// rates returns the code of the refusal, or none.
func (w *world) rates(order, by uuid.UUID, stars int, comment string) string {
	w.t.Helper()
	err := w.h.DB.Tx(w.t.Context(), func(tx *db.Tx) error {
		_, err := w.Rate(tx, order, by, stars, comment)
		return err
	})
	if err == nil {
		return ""
	}
	return fault.CodeOf(err)
}

func (w *world) average(person uuid.UUID) Average {
	w.t.Helper()
	found, err := w.Averages(w.t.Context(), person)
	if err != nil {
		w.t.Fatal(err)
	}
	return found[person]
}

func TestRate(t *testing.T) {
	w := newWorld(t)
	rider, driver := uuid.New(), uuid.New()
	order := w.ridden(rider, driver)
	ahead, alone := uuid.New(), w.ridden(driver, driver)
	w.rides[ahead] = Ride{Rider: rider, Driver: driver}
	for _, c := range []struct {
		name    string
		order   uuid.UUID
		by      uuid.UUID
		stars   int
		comment string
		want    string
	}{
		{"no star", order, rider, 0, "", "stars_out_of_range"},
		{"too many", order, rider, 6, "", "stars_out_of_range"},
		{"no order", uuid.New(), rider, 5, "", "order_not_found"},
		{"a stranger", order, uuid.New(), 5, "", "rating_not_party"},
		{"nobody", order, uuid.Nil, 5, "", "rating_not_party"},
		{"oneself", alone, driver, 5, "", "rating_not_party"},
		{"too early", ahead, rider, 5, "", "order_not_completed"},
		{"the rider", order, rider, 5, " fine ", ""},
		{"the same again", order, rider, 5, "fine", ""},
		{"other stars", order, rider, 4, "fine", "already_rated"},
		{"other words", order, rider, 5, "", "already_rated"},
	} {
		if got := w.rates(c.order, c.by, c.stars, c.comment); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	w.h.Clock.Advance(Window)
	if got := w.rates(order, driver, 1, ""); got != "" {
		t.Errorf("at the last moment: %q", got)
	}
	late := w.ridden(rider, driver)
	w.h.Clock.Advance(Window + time.Microsecond)
	if got := w.rates(late, rider, 5, ""); got != "rating_closed" {
		t.Errorf("too late: %q", got)
	}
	if got := w.rates(order, rider, 5, "fine"); got != "" {
		t.Errorf("the same long after: %q", got)
	}
}

// A rating counts once both have rated, or when neither can any more.
func TestAverages(t *testing.T) {
	w := newWorld(t)
	ada, bob, driver := uuid.New(), uuid.New(), uuid.New()
	first, second := w.ridden(ada, driver), w.ridden(bob, driver)
	w.rates(first, ada, 5, "")
	w.rates(second, bob, 2, "")
	if got := w.average(driver); got.Count != 0 {
		t.Errorf("before the driver has rated: %+v", got)
	}
	w.rates(first, driver, 4, "")
	for person, want := range map[uuid.UUID]Average{driver: {5, 1}, ada: {4, 1}, bob: {}} {
		if got := w.average(person); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
	w.h.Clock.Advance(Window)
	if got := w.average(driver); got != (Average{7, 2}) || got.Tenths() != 35 {
		t.Errorf("when the time is over: %+v", got)
	}
}

// Whoever has not rated within an hour is reminded; nobody is where both have.
func TestRemind(t *testing.T) {
	w := newWorld(t)
	rider, driver := uuid.New(), uuid.New()
	for name, by := range map[string][]uuid.UUID{"neither": nil, "the rider": {rider}, "the driver": {driver}, "both": {rider, driver}} {
		if err := w.h.DB.Tx(t.Context(), func(tx *db.Tx) error { return tx.Exec("DELETE FROM jobs").Error }); err != nil {
			t.Fatal(err)
		}
		order := w.ridden(rider, driver)
		for _, who := range by {
			w.rates(order, who, 5, "")
		}
		if err := w.h.Run(Remind(order)); (len(by) == 2) != jobs.IsSkip(err) || len(by) < 2 && err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var args []string
		if err := w.h.DB.Read(t.Context()).Raw("SELECT args FROM jobs WHERE kind = 'notify:send'").Scan(&args).Error; err != nil || len(args) != 2-len(by) {
			t.Errorf("%s rated: %d are told, %v", name, len(args), err)
		}
		for _, a := range args {
			if !strings.Contains(a, order.String()) || !strings.Contains(a, `"rate"`) || name == "the rider" && !strings.Contains(a, `"to":"driver"`) || name == "the driver" && !strings.Contains(a, `"to":"rider"`) {
				t.Errorf("%s rated: told %s", name, a)
			}
		}
	}
	if got := remindKind.Tags(orderArgs{rider}); len(got) != 1 || got[0] != "order:"+rider.String() {
		t.Errorf("tags %v", got)
	}
}

// Each case damages one of two ratings of an order.
func TestRatingsAgree(t *testing.T) {
	w := newWorld(t)
	exec := func(query string, args ...any) {
		t.Helper()
		if err := w.h.DB.Tx(t.Context(), func(tx *db.Tx) error { return tx.Exec(query, args...).Error }); err != nil {
			t.Fatal(err)
		}
	}
	rider, driver, trip := uuid.New(), uuid.New(), uuid.New()
	for name, c := range map[string]struct {
		damage string
		says   string
	}{
		"stars":     {"UPDATE ratings SET stars = 9 WHERE party = 'rider'", "completed: its rider"},
		"rater":     {"UPDATE ratings SET rater_id = ratee_id WHERE party = 'rider'", "completed: its rider " + driver.String()},
		"ratee":     {"UPDATE ratings SET ratee_id = rater_id WHERE party = 'driver'", "gave " + driver.String()},
		"party":     {"UPDATE ratings SET party = 'other' WHERE party = 'driver'", "its other"},
		"not over":  {"UPDATE orders SET status = 'riding'", "riding: its"},
		"no trip":   {"UPDATE orders SET trip_id = NULL", "completed: its"},
		"no order":  {"DELETE FROM orders", "missing: its"},
		"no damage": {"UPDATE ratings SET comment = 'x'", ""},
	} {
		for _, table := range []string{"orders", "trips", "ratings"} {
			exec("DELETE FROM " + table)
		}
		order := w.ridden(rider, driver)
		exec(`INSERT INTO orders (id, rider_id, status, reason, seats, origin_lat, origin_lng, origin_name, dest_lat, dest_lng, dest_name, depart_after, arrive_before,
			match_until, rematches, distance_m, duration_s, fare, fare_pooled, cancel_fee, trip_id, version, created_at, changed_at)
			VALUES (?, ?, 'completed', '', 1, 0, 0, '', 1, 1, '', ?, ?, ?, 0, 1, 1, 1, 1, 0, ?, 1, ?, ?)`,
			order, rider, w.h.Clock.Now(), w.h.Clock.Now(), w.h.Clock.Now(), trip, w.h.Clock.Now(), w.h.Clock.Now())
		exec(`INSERT INTO trips (id, driver_id, status, seats, seats_left, origin_lat, origin_lng, origin_name, depart_at, arrive_at, max_detour_s, plan, version, created_at, changed_at)
			VALUES (?, ?, 'completed', 1, 1, 0, 0, '', ?, ?, 0, '[]', 1, ?, ?)`, trip, driver, w.h.Clock.Now(), w.h.Clock.Now(), w.h.Clock.Now(), w.h.Clock.Now())
		w.rates(order, rider, 5, "")
		w.rates(order, driver, 4, "")
		if found, err := w.Service.RatingsAgree(t.Context()); err != nil || len(found) > 0 {
			t.Fatalf("%s: before: %v, %v", name, found, err)
		}
		exec(c.damage)
		found, err := w.Service.RatingsAgree(t.Context())
		all := strings.Join(found, "\n")
		if err != nil || (all == "") != (c.says == "") || !strings.Contains(all, c.says) {
			t.Errorf("%s: %q, %v; want %q", name, all, err, c.says)
		}
	}
}
