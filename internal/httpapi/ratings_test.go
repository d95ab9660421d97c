package httpapi

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/spotpool/spotpool/internal/account"
	"github.com/spotpool/spotpool/internal/order"
)

// ridden drives a trip with an order of each rider to its end. Jobs must be running.
func (w *world) ridden(driver, a, b user) (tripOut, orderOut, orderOut) {
	w.t.Helper()
	tr, first, second := w.pooled(driver, a, b)
	w.do(driver, "POST", "/v1/trips/"+tr.ID.String()+"/depart", nil).is(http.StatusOK)
	for i, act := range []string{"pick-up", "pick-up", "drop-off", "drop-off"} {
		w.do(driver, "POST", stopPath(tr, i+1, act), nil).is(http.StatusOK)
	}
	return w.seeTrip(driver, tr), w.see(a, first), w.see(b, second)
}

func ratingPath(o orderOut) string { return "/v1/orders/" + o.ID.String() + "/rating" }

// rider returns what a trip shows of an order's rider.
func (t tripOut) rider(o orderOut) riderOut {
	i := slices.IndexFunc(t.Riders, func(r riderOut) bool { return r.OrderID == o.ID })
	return t.Riders[i]
}

// Rider and driver rate each other; what one gave is not shown to the other, whose
// average it changes only once both have rated.
func TestRiderAndDriverRateEachOther(t *testing.T) {
	w := newWorld(t)
	w.run()
	driver, ada, bob, operator := w.user(account.Driver), w.user(account.Rider), w.user(account.Rider), w.user(account.Operator)
	tr, first, second := w.ridden(driver, ada, bob)
	if first.Status != order.Completed || first.RateUntil == nil || first.Ratings != nil || first.DriverRating != nil || tr.rider(first).RateUntil == nil {
		t.Errorf("before: %+v", first)
	}
	body := object{"stars": 4, "comment": "  a bit late "}
	for range 2 { // the second finds it given
		if got := into[ratingOut](w.do(ada, "POST", ratingPath(first), body).is(http.StatusOK)); got.By != "rider" || got.Stars != 4 || got.Comment != "a bit late" {
			t.Errorf("gave %+v", got)
		}
	}
	first = w.see(ada, first)
	if len(first.Ratings) != 1 || first.Ratings[0].Stars != 4 || first.DriverRating != nil {
		t.Errorf("one has rated: %+v, %+v", first.Ratings, first.DriverRating)
	}
	if got := w.seeTrip(driver, tr); got.DriverRating != nil || got.rider(first).Rating != nil {
		t.Errorf("the driver sees %+v", got)
	}

	w.do(driver, "POST", ratingPath(first), object{"stars": 2, "comment": "slammed the door"}).is(http.StatusOK)
	for _, rider := range []user{ada, bob} {
		o := first
		if rider == bob {
			o = second
		}
		if got := w.see(rider, o).DriverRating; got == nil || *got != (averageOut{4, 4, 1}) {
			t.Errorf("a rider sees %+v of the driver", got)
		}
	}
	if got := w.see(ada, first); len(got.Ratings) != 1 {
		t.Errorf("the rider sees %+v", got.Ratings)
	}
	if got := w.see(operator, first); len(got.Ratings) != 2 {
		t.Errorf("an operator sees %+v", got.Ratings)
	}
	got := w.seeTrip(driver, tr)
	if r := got.rider(first); r.Rating == nil || r.Rating.Stars != 2 || r.RiderRating == nil || *r.RiderRating != (averageOut{2, 2, 1}) {
		t.Errorf("the driver sees %+v", r)
	}
	if r := got.rider(second); r.Rating != nil || r.RiderRating != nil {
		t.Errorf("the driver sees %+v of the other", r)
	}
	if seen := w.seeTrip(bob, tr); len(seen.Riders) > 0 || seen.DriverRating == nil {
		t.Errorf("another rider sees %+v", seen)
	}
}

func TestRatingsAreRefused(t *testing.T) {
	w := newWorld(t)
	stop := w.Work(allQueues...)
	driver, ada, bob := w.user(account.Driver), w.user(account.Rider), w.user(account.Rider)
	_, done, other := w.ridden(driver, ada, bob)
	stop()
	waiting := w.order(ada)
	w.do(bob, "POST", ratingPath(other), object{"stars": 3}).is(http.StatusOK)
	path := ratingPath(done)
	w.refuseAll(t, []refusal{
		{"without stars", ada, "POST", path, object{}, http.StatusUnprocessableEntity, "field_missing", nil},
		{"no star", ada, "POST", path, object{"stars": 0}, http.StatusUnprocessableEntity, "stars_out_of_range", nil},
		{"six stars", ada, "POST", path, object{"stars": 6}, http.StatusUnprocessableEntity, "stars_out_of_range", nil},
		{"half a star", ada, "POST", path, object{"stars": 4.5}, malformedStatus, "field_malformed", nil},
		{"a long comment", ada, "POST", path, object{"stars": 1, "comment": strings.Repeat("长", 301)}, http.StatusUnprocessableEntity, "comment_too_long", nil},
		{"two lines", ada, "POST", path, object{"stars": 1, "comment": "a\nb"}, http.StatusUnprocessableEntity, "comment_unprintable", nil},
		{"somebody else's", bob, "POST", path, object{"stars": 1}, http.StatusNotFound, "order_not_found", nil},
		{"another driver", w.user(account.Driver), "POST", path, object{"stars": 1}, http.StatusNotFound, "order_not_found", nil},
		{"an operator", w.user(account.Operator), "POST", path, object{"stars": 1}, http.StatusForbidden, "rating_not_party", nil},
		{"not ridden", ada, "POST", ratingPath(waiting), object{"stars": 1}, http.StatusConflict, "order_not_completed", nil},
		{"another opinion", bob, "POST", ratingPath(other), object{"stars": 4}, http.StatusConflict, "already_rated", nil},
		{"another word", bob, "POST", ratingPath(other), object{"stars": 3, "comment": "but"}, http.StatusConflict, "already_rated", nil},
	})
	w.exec("UPDATE orders SET dropoff_at = ? WHERE id = ?", w.api.Clock.Now().AddDate(0, 0, -8), done.ID)
	w.do(ada, "POST", path, object{"stars": 1}).refused(http.StatusConflict, "rating_closed")
}
