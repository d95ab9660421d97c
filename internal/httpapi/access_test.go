package httpapi

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/account"
)

// TestWhoMaySeeWhat has everyone ask for everything: with a status for each
// single thing and a count for each list.
func TestWhoMaySeeWhat(t *testing.T) {
	w := newWorld(t)
	w.run()
	driver, otherDriver := w.user(account.Driver), w.user(account.Driver)
	rider, mate, stranger := w.user(account.Rider), w.user(account.Rider), w.user(account.Rider)
	operator := w.user(account.Operator)
	tr := w.offer(driver)
	o := w.confirmed(rider, w.order(rider))
	mates := w.confirmed(mate, w.order(mate))
	w.offer(otherDriver)

	const ok, no = http.StatusOK, http.StatusNotFound
	for _, c := range []struct {
		name          string
		who           user
		order, trip   int
		orders, trips int
	}{
		{"the rider", rider, ok, ok, 1, 0},
		{"who rides along", mate, no, ok, 1, 0},
		{"another rider", stranger, no, no, 0, 0},
		{"the driver", driver, no, ok, 0, 1},
		{"another driver", otherDriver, no, no, 0, 1},
		{"an operator", operator, ok, ok, 2, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := w.do(c.who, "GET", "/v1/orders/"+o.ID.String(), nil).Code; got != c.order {
				t.Errorf("order: %d, want %d", got, c.order)
			}
			if got := w.do(c.who, "GET", "/v1/trips/"+tr.ID.String(), nil).Code; got != c.trip {
				t.Errorf("trip: %d, want %d", got, c.trip)
			}
			if got := len(into[pageOut[orderOut]](w.do(c.who, "GET", "/v1/orders", nil).is(ok)).Items); got != c.orders {
				t.Errorf("%d orders, want %d", got, c.orders)
			}
			if got := len(into[pageOut[tripOut]](w.do(c.who, "GET", "/v1/trips", nil).is(ok)).Items); got != c.trips {
				t.Errorf("%d trips, want %d", got, c.trips)
			}
		})
	}

	if got := len(into[pageOut[tripOut]](w.do(operator, "GET", "/v1/trips?mine=1", nil).is(ok)).Items); got != 0 {
		t.Errorf("an operator has %d own trips", got)
	}
	for _, who := range []user{driver, operator} {
		if full := w.seeTrip(who, tr); len(full.Plan) != 4 || len(full.Riders) != 2 {
			t.Errorf("the %s sees %+v", who.Role, full)
		}
	}
	narrow := w.seeTrip(mate, tr)
	if len(narrow.Plan) != 2 || narrow.Riders != nil {
		t.Errorf("who rides along sees %+v", narrow)
	}
	for _, stop := range narrow.Plan {
		if stop.OrderID != mates.ID {
			t.Errorf("who rides along sees a stop of %s", stop.OrderID)
		}
	}
	for _, listed := range into[pageOut[tripOut]](w.do(driver, "GET", "/v1/trips?mine=1", nil).is(ok)).Items {
		if listed.Riders != nil || listed.ID != tr.ID {
			t.Errorf("listed %+v", listed)
		}
	}
}

func TestTripHasAnETag(t *testing.T) {
	w := newWorld(t)
	w.run()
	driver, rider := w.user(account.Driver), w.user(account.Rider)
	tr := w.offer(driver)
	path := "/v1/trips/" + tr.ID.String()
	if got := w.do(driver, "GET", path, nil).Header().Get("ETag"); got != `"1"` {
		t.Errorf("ETag %s of a new trip", got)
	}
	w.confirmed(rider, w.order(rider))
	if got := w.do(driver, "GET", path, nil).Header().Get("ETag"); got != `"2"` {
		t.Errorf("ETag %s after an order joined", got)
	}
}

func TestMonitorIsForOperators(t *testing.T) {
	w := newWorld(t)
	rider, operator := w.user(account.Rider), w.user(account.Operator)
	page := header{"Accept": "text/html,*/*"}
	cookie := func(u user) header { return header{"Cookie": cookieName + "=" + u.token} }

	set := w.do(operator, "POST", "/v1/auth/cookie", nil).is(http.StatusNoContent).Result().Cookies()
	if len(set) != 1 || set[0].Name != cookieName || set[0].Value != operator.token || set[0].Path != MonitorRoot ||
		!set[0].HttpOnly || set[0].SameSite != http.SameSiteStrictMode {
		t.Fatalf("cookies %v", set)
	}
	for i, c := range []struct {
		who    user
		header []header
		status int
	}{
		{nobody, nil, http.StatusUnauthorized},
		{rider, nil, http.StatusForbidden},
		{nobody, []header{cookie(rider)}, http.StatusForbidden},
		{nobody, []header{cookie(user{token: "forged"})}, http.StatusUnauthorized},
		{nobody, []header{page}, http.StatusSeeOther},
		{rider, []header{page}, http.StatusSeeOther},
		{operator, nil, http.StatusOK},
		{operator, []header{page}, http.StatusOK},
		{nobody, []header{cookie(operator)}, http.StatusOK},
		{nobody, []header{cookie(operator), page}, http.StatusOK},
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			for _, path := range []string{"/monitor/", "/monitor/queues/orders"} {
				a := w.do(c.who, "GET", path, nil, c.header...)
				if a.Code != c.status {
					t.Errorf("%s: %d, want %d", path, a.Code, c.status)
				}
				if to := a.Header().Get("Location"); c.status == http.StatusSeeOther && to != "/#operator" {
					t.Errorf("%s leads to %s", path, to)
				}
			}
		})
	}
	if got := w.do(operator, "GET", "/monitor", nil).Header().Get("Location"); got != "/monitor/" {
		t.Errorf("/monitor leads to %q", got)
	}
	taken := w.do(nobody, "DELETE", "/v1/auth/cookie", nil).is(http.StatusNoContent).Result().Cookies()
	if len(taken) != 1 || taken[0].Name != cookieName || taken[0].Path != MonitorRoot || taken[0].MaxAge >= 0 {
		t.Errorf("cookies %v", taken)
	}
}

func TestMonitorShowsArguments(t *testing.T) {
	w := newWorld(t)
	w.run()
	rider, operator := w.user(account.Rider), w.user(account.Operator)
	o := w.order(rider)
	w.do(nobody, "POST", "/v1/auth/codes", object{"phone": w.phone()}).is(http.StatusAccepted)
	<-w.texts
	seen := func(queue, state, text string) {
		t.Helper()
		w.Await(queue+" shows "+text, func() bool {
			a := w.do(operator, "GET", "/monitor/api/queues/"+queue+"/"+state+"_tasks", nil).is(http.StatusOK)
			return containsText(a, text)
		})
	}
	seen("match", "retry", o.ID.String())
	seen("sms", "completed", "encrypted")
}

// pages walks through a list and returns the ids on its pages.
func pages[T any](w *world, u user, path string, id func(T) uuid.UUID) (ids [][]uuid.UUID) {
	w.t.Helper()
	cursor := ""
	for {
		page := into[pageOut[T]](w.do(u, "GET", path+cursor, nil).is(http.StatusOK))
		var found []uuid.UUID
		for _, item := range page.Items {
			found = append(found, id(item))
		}
		ids = append(ids, found)
		if page.NextCursor == "" {
			return ids
		}
		if len(ids) > 100 {
			w.t.Fatal("the pages never end")
		}
		cursor = "&cursor=" + page.NextCursor
	}
}

func TestPagesHaveEachItemOnce(t *testing.T) {
	w := newWorld(t)
	driver, operator := w.user(account.Driver), w.user(account.Operator)
	var trips, orders []uuid.UUID // newest first
	for range 5 {
		trips = append([]uuid.UUID{w.offer(driver).ID}, trips...)
		orders = append([]uuid.UUID{w.order(w.user(account.Rider)).ID}, orders...)
	}
	tripID, orderID := func(t tripOut) uuid.UUID { return t.ID }, func(o orderOut) uuid.UUID { return o.ID }
	for _, c := range []struct {
		name string
		got  [][]uuid.UUID
		want []uuid.UUID
		size int
	}{
		{"trips by one", pages(w, driver, "/v1/trips?limit=1", tripID), trips, 1},
		{"trips by two", pages(w, driver, "/v1/trips?limit=2", tripID), trips, 2},
		{"all trips by five", pages(w, operator, "/v1/trips?limit=5", tripID), trips, 5},
		{"orders by two", pages(w, operator, "/v1/orders?limit=2", orderID), orders, 2},
		{"orders by the default", pages(w, operator, "/v1/orders?", orderID), orders, defaultLimit},
		{"orders that match", pages(w, operator, "/v1/orders?status=matching&limit=3", orderID), orders, 3},
		{"orders that are confirmed", pages(w, operator, "/v1/orders?status=confirmed&limit=3", orderID), nil, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			var all []uuid.UUID
			for i, page := range c.got {
				if len(page) > c.size || len(page) < c.size && i < len(c.got)-1 || len(page) == 0 && i > 0 {
					t.Errorf("page %d has %d items", i+1, len(page))
				}
				all = append(all, page...)
			}
			if fmt.Sprint(all) != fmt.Sprint(c.want) {
				t.Errorf("%v\nwant %v", all, c.want)
			}
		})
	}
	if empty := w.do(w.user(account.Rider), "GET", "/v1/notifications", nil).is(http.StatusOK).Body.String(); empty != `{"items":[]}` {
		t.Errorf("an empty page is %s", empty)
	}
}
