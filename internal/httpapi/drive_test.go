package httpapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/account"
	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/notify"
	"github.com/spotpool/spotpool/internal/order"
	"github.com/spotpool/spotpool/internal/pay"
	"github.com/spotpool/spotpool/internal/trip"
)

// pooled is a trip with two confirmed orders. Jobs must be running.
func (w *world) pooled(driver, a, b user) (tripOut, orderOut, orderOut) {
	w.t.Helper()
	far := func(o object) object { // from where other trips of the test are
		for _, end := range []string{"origin", "destination"} {
			o = with(o, end, with(o[end].(object), "lat", 33))
		}
		return o
	}
	tr := into[tripOut](w.do(driver, "POST", "/v1/trips", far(tripBody())).is(http.StatusCreated))
	order := func(rider user) orderOut {
		return w.confirmed(rider, into[orderOut](w.do(rider, "POST", "/v1/orders", far(orderBody())).is(http.StatusAccepted)))
	}
	first, second := order(a), order(b)
	return w.seeTrip(driver, tr), first, second
}

// stopPath is where acts at a stop go.
func stopPath(t tripOut, n int, act string) string {
	return fmt.Sprintf("/v1/trips/%s/stops/%d/%s", t.ID, n, act)
}

// driveRequests asks for everything that a driver does with a trip.
func (w *world) driveRequests() []question {
	w.t.Helper()
	driver := w.user(account.Driver)
	tr, _, _ := w.pooled(driver, w.user(account.Rider), w.user(account.Rider))
	empty := w.offer(driver)
	root := "/v1/trips/" + tr.ID.String()
	return []question{
		{driver, "POST", root + "/depart", nil, http.StatusOK},
		{driver, "POST", root + "/position", object{"lat": 31.2, "lng": 121.4}, http.StatusOK},
		{driver, "POST", stopPath(tr, 1, "arrive"), nil, http.StatusOK},
		{driver, "POST", stopPath(tr, 1, "pick-up"), object{}, http.StatusOK},
		{driver, "POST", stopPath(tr, 2, "pick-up"), nil, http.StatusOK},
		{driver, "POST", stopPath(tr, 3, "drop-off"), nil, http.StatusOK},
		{driver, "POST", "/v1/orders/" + tr.Plan[2].OrderID.String() + "/rating", object{"stars": 5, "comment": "on time"}, http.StatusOK},
		{driver, "GET", root, nil, http.StatusOK},
		{driver, "POST", stopPath(tr, 2, "no-show"), nil, http.StatusConflict},
		{driver, "POST", "/v1/trips/" + empty.ID.String() + "/depart", nil, http.StatusOK},
		{driver, "POST", "/v1/trips/" + empty.ID.String() + "/complete", nil, http.StatusOK},
	}
}

// expectNow has the riders of a trip be there already, minutes before what they were told.
func (w *world) expectNow(t tripOut) {
	w.t.Helper()
	err := w.DB.Tx(w.t.Context(), func(tx *db.Tx) error {
		_, err := tx.Change("UPDATE trips SET plan = REPLACE(plan, ?, ?) WHERE id = ?", `"due"`, `"was_due"`, t.ID)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// A trip from the offer to the last drop-off, as its driver and its riders see it.
func TestATripIsDriven(t *testing.T) {
	w := newWorld(t)
	w.run()
	driver, ada, bob := w.user(account.Driver), w.user(account.Rider), w.user(account.Rider)
	tr, first, second := w.pooled(driver, ada, bob)
	path := "/v1/trips/" + tr.ID.String()
	do := func(what string) tripOut {
		t.Helper()
		return into[tripOut](w.do(driver, "POST", path+what, nil).is(http.StatusOK))
	}
	w.do(driver, "POST", stopPath(tr, 1, "arrive"), nil).refused(http.StatusConflict, "trip_not_under_way")
	w.do(ada, "POST", path+"/depart", nil).refused(http.StatusNotFound, "trip_not_found")

	tr = do("/depart")
	if tr.Status != trip.Departed || len(tr.Plan) != 4 || tr.Plan[0].Number != 1 || tr.Plan[0].State != "ahead" {
		t.Fatalf("departed %+v", tr)
	}
	riders := map[uuid.UUID]user{first.ID: ada, second.ID: bob}
	if again := do("/depart"); again.Version != tr.Version {
		t.Errorf("departed again as version %d, not %d", again.Version, tr.Version)
	}

	// The first comes at once, the second not at all.
	rides, stays := tr.Plan[0].OrderID, tr.Plan[1].OrderID
	w.do(driver, "POST", stopPath(tr, 2, "pick-up"), nil).refused(http.StatusConflict, "stop_not_next")
	tr = do("/stops/1/arrive")
	if s := tr.Plan[0]; s.State != "reached" || s.ReachedAt == nil || s.NoShowFrom == nil || *s.NoShowFrom <= *s.ReachedAt {
		t.Errorf("reached %+v", s)
	}
	if o := w.see(riders[rides], orderOut{ID: rides}); o.DriverHere == nil || o.Status != order.Confirmed {
		t.Errorf("the car is there: %+v", o)
	}
	w.Await("the rider is told", func() bool { return slices.Contains(w.inbox(riders[rides]), notify.Here) }) // in the car it is too late
	w.do(driver, "POST", stopPath(tr, 1, "drop-off"), nil).refused(http.StatusConflict, "stop_of_other_kind")
	for range 2 {
		tr = do("/stops/1/pick-up")
	}
	if o := w.see(riders[rides], orderOut{ID: rides}); o.Status != order.Riding || o.DriverHere != nil {
		t.Errorf("in the car: %+v", o)
	}
	w.do(riders[rides], "POST", "/v1/orders/"+rides.String()+"/cancel", nil).refused(http.StatusConflict, "order_not_cancellable")
	w.do(driver, "POST", path+"/cancel", nil).refused(http.StatusConflict, "trip_not_cancellable")
	w.do(driver, "POST", stopPath(tr, 2, "no-show"), nil).refused(http.StatusConflict, "no_show_too_early")
	tr = do("/stops/2/arrive")
	w.expectNow(tr)
	w.Await("the driver has waited", func() bool {
		a := w.do(driver, "POST", stopPath(tr, 2, "no-show"), nil)
		return a.Code == http.StatusOK
	})
	w.do(driver, "POST", path+"/complete", nil).refused(http.StatusConflict, "stops_left")
	down := 1 + slices.IndexFunc(tr.Plan, func(s stopOut) bool { return s.Kind == trip.Dropoff && s.OrderID == rides })
	tr = do(fmt.Sprintf("/stops/%d/drop-off", down))
	if tr.Status != trip.Completed {
		t.Errorf("after the last drop-off %+v", tr)
	}
	if again := do("/complete"); again.Version != tr.Version {
		t.Errorf("completed again as version %d, not %d", again.Version, tr.Version)
	}
	w.do(driver, "POST", path+"/position", object{"lat": 31.23, "lng": 121.44}).refused(http.StatusConflict, "trip_not_under_way")

	seen := w.seeTrip(driver, tr)
	for _, c := range []struct {
		id     uuid.UUID
		status order.Status
	}{{rides, order.Completed}, {stays, order.NoShow}} {
		o := w.see(riders[c.id], orderOut{ID: c.id})
		if o.Status != c.status {
			t.Errorf("in the end %+v, want %s", o, c.status)
		}
		// One had the car alone, since the other did not come.
		w.Await("the fare is charged", func() bool {
			o = w.see(riders[c.id], orderOut{ID: c.id})
			return o.Payment == pay.Captured
		})
		if o.Charged == nil || *o.Charged != o.Fare {
			t.Errorf("charged %v, want %v", o.Charged, o.Fare)
		}
		if !slices.ContainsFunc(seen.Riders, func(r riderOut) bool { return r.OrderID == c.id && r.Status == c.status }) {
			t.Errorf("the driver sees %+v", seen.Riders)
		}
		if mine := w.seeTrip(riders[c.id], tr); len(mine.Plan) != 2 || mine.Riders != nil {
			t.Errorf("a rider sees %+v", mine)
		}
	}
	w.Await("who did not come is told", func() bool { return slices.Contains(w.inbox(riders[stays]), notify.NoShow) })
}

func TestSeatsAreChanged(t *testing.T) {
	w := newWorld(t)
	w.run()
	driver, other, rider := w.user(account.Driver), w.user(account.Driver), w.user(account.Rider)
	tr := w.offer(driver)
	w.confirmed(rider, into[orderOut](w.do(rider, "POST", "/v1/orders", with(orderBody(), "seats", 2)).is(http.StatusAccepted)))
	path := "/v1/trips/" + tr.ID.String()
	current := w.do(driver, "GET", path, nil).Header().Get("ETag")
	change := func(u user, seats any, match string) answer {
		t.Helper()
		return w.do(u, "PATCH", path, object{"seats": seats}, header{"If-Match": match})
	}
	w.do(driver, "PATCH", path, object{"seats": 4}).refused(http.StatusPreconditionRequired, "if_match_missing")
	w.do(driver, "PATCH", path, object{}, header{"If-Match": current}).refused(invalidStatus, "field_missing")
	w.do(driver, "PATCH", path, object{"seats": 4, "status": "open"}, header{"If-Match": current}).refused(malformedStatus, "field_unknown")
	for _, match := range []string{`"1"`, `1`, `"x"`, `W/` + current, `"`, `"-1"`, strings.Trim(current, `"`)} {
		change(driver, 4, match).refused(http.StatusPreconditionFailed, "trip_changed")
	}
	change(other, 4, current).refused(http.StatusNotFound, "trip_not_found")
	change(driver, 9, current).refused(invalidStatus, "seats_out_of_range")
	change(driver, 1, current).refused(http.StatusConflict, "seats_taken")

	checkRequest(t, driver.request("PATCH", path, object{"seats": 2}, header{"If-Match": current}))
	got := into[tripOut](change(driver, 2, current).is(http.StatusOK))
	if got.Seats != 2 || got.SeatsLeft != 0 || w.do(driver, "GET", path, nil).Header().Get("ETag") != etag(got.Version) {
		t.Errorf("changed %+v", got)
	}
	change(driver, 3, current).refused(http.StatusPreconditionFailed, "trip_changed")

	// Who waits gets the seat that is added.
	second := w.user(account.Rider)
	o := w.order(second)
	w.awaitOrder(second, o, "put off", func(o orderOut) bool { return *o.Flow.Stages[0].Jobs[0].DueAt > o.CreatedAt })
	change(driver, 3, "*").is(http.StatusOK)
	w.confirmed(second, o)
	w.do(driver, "POST", path+"/depart", nil).is(http.StatusOK)
	change(driver, 4, "*").refused(http.StatusConflict, "trip_not_open")
}

// A position is seen by the driver, by operators and by those who ride or wait for the car.
func TestPositionsComeLive(t *testing.T) {
	w := newWorld(t)
	srv := w.serve()
	w.run()
	driver, ada, bob, operator := w.user(account.Driver), w.user(account.Rider), w.user(account.Rider), w.user(account.Operator)
	tr, first, second := w.pooled(driver, ada, bob)
	path := "/v1/trips/" + tr.ID.String()
	w.do(driver, "POST", path+"/position", object{"lat": 31.23, "lng": 121.41}).refused(http.StatusConflict, "trip_not_under_way")
	w.do(driver, "POST", path+"/depart", nil).is(http.StatusOK)

	streams := []*listening{
		w.listen(srv, driver, path+"/events", ""), w.listen(srv, operator, path+"/events", ""),
		w.listen(srv, ada, "/v1/orders/"+first.ID.String()+"/events", ""), w.listen(srv, bob, "/v1/orders/"+second.ID.String()+"/events", ""),
	}
	position := func(l *listening) positionOut {
		t.Helper()
		for {
			e, ok := l.next()
			if !ok {
				t.Fatal("the stream has ended")
			}
			if e.name != "position" {
				continue
			}
			var at positionOut
			if err := json.Unmarshal([]byte(e.data), &at); err != nil || e.id != "" {
				t.Fatalf("the stream has %+v, %v", e, err)
			}
			return at
		}
	}
	before := w.counts(t)
	for i := range 2 {
		lng := 121.41 + float64(i)/100
		said := into[positionOut](w.do(driver, "POST", path+"/position", object{"lat": 31.23, "lng": lng}, header{"Idempotency-Key": "k"}).is(http.StatusOK))
		for n, l := range streams {
			if got := position(l); got != said || got.Lng != lng || got.TripID != tr.ID {
				t.Errorf("stream %d has %+v, want %+v", n, got, said)
			}
		}
	}
	if after := w.counts(t); after["idempotency_keys"] != before["idempotency_keys"] {
		t.Errorf("rows before %v, after %v", before, after)
	}
	if got := position(w.listen(srv, bob, "/v1/orders/"+second.ID.String()+"/events", "")); got.Lng != 121.42 {
		t.Errorf("who comes later sees %+v", got)
	}
	w.do(driver, "POST", stopPath(tr, 1, "pick-up"), nil).is(http.StatusOK)
	for {
		e, ok := streams[0].next()
		if !ok {
			t.Fatal("the stream has ended")
		}
		var now progressOut
		if e.name == "trip" && json.Unmarshal([]byte(e.data), &now) == nil && now.Version == w.seeTrip(driver, tr).Version {
			break
		}
	}
}

func TestDrivingIsRefused(t *testing.T) {
	w := newWorld(t)
	driver, other, rider := w.user(account.Driver), w.user(account.Driver), w.user(account.Rider)
	tr := w.offer(driver)
	path := "/v1/trips/" + tr.ID.String()
	here := object{"lat": 31.2, "lng": 121.4}
	const notFound = http.StatusNotFound
	all := []refusal{
		{"no such stop", driver, "POST", stopPath(tr, 1, "arrive"), nil, notFound, "stop_not_found", nil},
		{"no number", driver, "POST", path + "/stops/first/arrive", nil, notFound, "stop_not_found", nil},
		{"no such act", driver, "POST", stopPath(tr, 1, "wave"), nil, notFound, "route_not_found", nil},
		{"an act with a field", driver, "POST", stopPath(tr, 1, "arrive"), object{"at": "now"}, malformedStatus, "field_unknown", nil},
		{"not departed", driver, "POST", path + "/complete", nil, http.StatusConflict, "trip_not_under_way", nil},
		{"a position nowhere", driver, "POST", path + "/position", object{"lat": 91, "lng": 0}, invalidStatus, "point_off_the_globe", nil},
		{"half a position", driver, "POST", path + "/position", object{"lat": 9}, invalidStatus, "field_missing", nil},
		{"another half", driver, "POST", path + "/position", object{"lng": 9}, invalidStatus, "field_missing", nil},
		{"a named position", driver, "POST", path + "/position", with(here, "name", "home"), malformedStatus, "field_unknown", nil},
		{"a wrong event id", driver, "GET", path + "/events", nil, malformedStatus, "last_event_id_invalid", header{"Last-Event-ID": "x"}},
	}
	for _, who := range []user{other, rider} {
		for _, what := range []string{"/depart", "/complete", "/stops/1/arrive", "/stops/1/pick-up", "/stops/1/no-show", "/stops/1/drop-off"} {
			all = append(all, refusal{"another's " + what, who, "POST", path + what, nil, notFound, "trip_not_found", nil})
		}
		all = append(all, refusal{"another's position", who, "POST", path + "/position", here, notFound, "trip_not_found", nil},
			refusal{"another's events", who, "GET", path + "/events", nil, notFound, "trip_not_found", nil})
	}
	for _, what := range []string{"/depart", "/complete", "/stops/1/arrive"} {
		all = append(all, refusal{"no trip's " + what, driver, "POST", "/v1/trips/x" + what, nil, notFound, "trip_not_found", nil})
	}
	w.refuseAll(t, all)
}
