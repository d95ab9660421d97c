package httpapi

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/account"
	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
	"github.com/spotpool/spotpool/internal/notify"
	"github.com/spotpool/spotpool/internal/trip"
)

const statementPath = "/v1/drivers/me/statement"

// drove puts a trip's departure a day back and returns that day.
func (w *world) drove(t tripOut) clock.Day {
	w.t.Helper()
	departed := time.Now().UTC().Add(-24 * time.Hour)
	err := w.DB.Tx(w.t.Context(), func(tx *db.Tx) error {
		_, err := tx.Change("UPDATE trips SET status = ?, depart_at = ? WHERE id = ?", trip.Departed, departed, t.ID)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return clock.DayOf(departed, time.UTC)
}

// statementRequests asks for everything about statements.
func (w *world) statementRequests() []question {
	w.t.Helper()
	driver := w.user(account.Driver)
	day := w.drove(w.offer(driver))
	w.do(driver, "POST", statementPath, object{"day": day}).is(http.StatusAccepted)
	w.Await("the statement", func() bool { return w.do(driver, "GET", statementPath+"?day="+string(day), nil).Code == http.StatusOK })
	return []question{
		{driver, "POST", statementPath, object{"day": day}, http.StatusAccepted},
		{driver, "GET", statementPath + "?day=" + string(day), nil, http.StatusOK},
	}
}

func TestADriverAsksForAStatement(t *testing.T) {
	w := newWorld(t)
	driver, other, rider := w.user(account.Driver), w.user(account.Driver), w.user(account.Rider)
	stop := w.Work(allQueues...)
	tr := w.offer(driver)
	o := w.confirmed(rider, w.order(rider))
	stop()
	day := w.drove(tr)
	path := statementPath + "?day=" + string(day)
	w.do(driver, "GET", path, nil).refused(http.StatusNotFound, "statement_not_found")
	for range 2 { // it waits to be made: the second asks for the same
		asked := w.do(driver, "POST", statementPath, object{"day": day}).is(http.StatusAccepted)
		if got := asked.Header().Get("Location"); got != path {
			t.Errorf("it will be at %q", got)
		}
	}
	jobstest.AssertKindCount(t, w, "pay:statement", 1)
	w.do(other, "POST", statementPath, object{"day": day}).is(http.StatusAccepted)
	w.run()
	w.Await("both jobs", func() bool { return w.Events()["pay:statement done"] == 1 && w.Events()["pay:statement skipped"] == 1 })
	st := into[statementOut](w.do(driver, "GET", path, nil).is(http.StatusOK))
	if st.DriverID != driver.ID || st.Day != day || st.Trips != 1 || st.Rides != 1 || st.Total != o.Fare {
		t.Errorf("statement %+v of a fare of %+v", st, o.Fare)
	}
	w.do(other, "GET", path, nil).refused(http.StatusNotFound, "statement_not_found")
}

// The whole night through the queue: who drove gets a statement and a notice, once.
func TestTheNightMakesStatements(t *testing.T) {
	w := newWorld(t)
	w.run()
	drivers := []user{w.user(account.Driver), w.user(account.Driver), w.user(account.Driver)}
	var day clock.Day
	for _, d := range drivers[:2] {
		day = w.drove(w.offer(d))
	}
	night := w.api.Trips.Nightly().Job(time.Now())
	w.Dispatch(night)
	w.Await("the day is summed up", func() bool { return w.Events()["pay:day_report done"] == 1 })
	w.Dispatch(night) // as if the worker had died after it
	w.Await("a second time", func() bool { return w.Events()["pay:day_report done"] == 2 })
	for i, d := range drivers {
		want, notices := http.StatusOK, []notify.Event{notify.Statement}
		if i == 2 { // did not drive
			want, notices = http.StatusNotFound, nil
		}
		if got := w.do(d, "GET", statementPath+"?day="+string(day), nil).Code; got != want {
			t.Errorf("driver %d: %d, want %d", i, got, want)
		}
		if got := w.inbox(d); !slices.Equal(got, notices) {
			t.Errorf("driver %d was told %v", i, got)
		}
	}
	subject := uuid.NewSHA1(uuid.NameSpaceURL, []byte("spotpool:day:"+day))
	if got, want := w.Flow(subject), "((pay:statement → notify:statement) | (pay:statement → notify:statement)) → pay:day_report"; got.Text != want || got.Subject.Kind != "day" {
		t.Errorf("flow of the %s: %s", got.Subject.Kind, got.Text)
	}
	w.AwaitFlow(subject, "done")
}

func TestStatementsAreRefused(t *testing.T) {
	w := newWorld(t)
	driver, rider, operator := w.user(account.Driver), w.user(account.Rider), w.user(account.Operator)
	today := string(clock.DayOf(time.Now(), time.UTC))
	const forbidden = http.StatusForbidden
	w.refuseAll(t, []refusal{
		{"a rider's", rider, "GET", statementPath + "?day=2026-03-01", nil, forbidden, "drivers_only", nil},
		{"an operator's", operator, "POST", statementPath, object{"day": "2026-03-01"}, forbidden, "drivers_only", nil},
		{"of no day", driver, "GET", statementPath, nil, invalidStatus, "field_missing", nil},
		{"of no date", driver, "GET", statementPath + "?day=friday", nil, invalidStatus, "day_invalid", nil},
		{"of today", driver, "GET", statementPath + "?day=" + today, nil, invalidStatus, "day_not_over", nil},
		{"not made", driver, "GET", statementPath + "?day=2026-03-01", nil, http.StatusNotFound, "statement_not_found", nil},
		{"asked for today", driver, "POST", statementPath, object{"day": today}, invalidStatus, "day_not_over", nil},
		{"asked for no day", driver, "POST", statementPath, object{}, invalidStatus, "field_missing", nil},
		{"asked with a field", driver, "POST", statementPath, object{"date": today}, malformedStatus, "field_unknown", nil},
		{"not signed in", nobody, "GET", statementPath, nil, http.StatusUnauthorized, "not_signed_in", nil},
	})
}

// The driver calls the trip off: its rider is told and finds another one.
func TestATripIsCalledOff(t *testing.T) {
	w := newWorld(t)
	w.run()
	driver, other, rider, operator := w.user(account.Driver), w.user(account.Driver), w.user(account.Rider), w.user(account.Operator)
	tr := w.offer(driver)
	o := w.confirmed(rider, w.order(rider))
	path := "/v1/trips/" + tr.ID.String()
	w.do(rider, "POST", path+"/cancel", nil).refused(http.StatusNotFound, "trip_not_found")
	w.do(other, "POST", path+"/cancel", nil).refused(http.StatusNotFound, "trip_not_found")
	w.do(operator, "POST", "/v1/trips/"+uuid.NewString()+"/cancel", nil).refused(http.StatusNotFound, "trip_not_found")
	w.do(driver, "POST", path+"/cancel", object{"why": "flat"}).refused(malformedStatus, "field_unknown")

	for _, by := range []user{driver, operator} {
		if off := into[tripOut](w.do(by, "POST", path+"/cancel", nil).is(http.StatusOK)); off.Status != trip.Cancelled {
			t.Errorf("called off %+v", off)
		}
	}
	lost := w.awaitOrder(rider, o, "looks again", func(o orderOut) bool { return o.Reason == "trip_cancelled" })
	if lost.Payment != "held" || lost.TripID != nil || lost.PickupAt != nil {
		t.Errorf("looks again as %+v", lost)
	}
	again := w.offer(other)
	found := w.awaitOrder(rider, o, "rides again", func(o orderOut) bool { return o.TripID != nil && o.Status == "confirmed" && o.Flow.State == "done" })
	if *found.TripID != again.ID || found.Payment != "held" || found.Reason != "" || found.Flow.Text != flowText {
		t.Errorf("rides again as %+v", found)
	}
	w.Await("the rider is told", func() bool {
		got := w.inbox(rider)
		slices.Sort(got)
		return slices.Equal(got, []notify.Event{notify.Matched, notify.Matched, notify.Rematching})
	})
	if got := w.inbox(other); !slices.Equal(got, []notify.Event{notify.Matched}) {
		t.Errorf("the other driver was told %v", got)
	}
	left := w.seeTrip(driver, tr)
	if left.Status != trip.Cancelled || len(left.Plan) != 0 || len(left.Riders) != 0 {
		t.Errorf("the trip that was called off: %+v", left)
	}
	gone := w.offer(driver)
	for _, end := range []string{"/depart", "/complete"} {
		w.do(driver, "POST", "/v1/trips/"+gone.ID.String()+end, nil).is(http.StatusOK)
	}
	w.do(driver, "POST", "/v1/trips/"+gone.ID.String()+"/cancel", nil).refused(http.StatusConflict, "trip_not_cancellable")
}
