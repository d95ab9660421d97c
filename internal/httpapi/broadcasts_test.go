package httpapi

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/account"
	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/notify"
)

func broadcastBody() object {
	return object{"text": "The tunnel is closed.", "center": without(here, "name"), "radius_metres": 1000}
}

// broadcastRequests asks for everything about a broadcast.
func (w *world) broadcastRequests(operator user) []question {
	w.t.Helper()
	b := into[broadcastOut](w.do(operator, "POST", "/v1/broadcasts", broadcastBody()).is(http.StatusAccepted))
	path := "/v1/broadcasts/" + b.ID.String()
	err := w.DB.Tx(w.t.Context(), func(tx *db.Tx) error { // or it may be over by now
		_, err := tx.Change("UPDATE broadcasts SET state = 'cancelled' WHERE id = ?", b.ID)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return []question{
		{operator, "POST", "/v1/broadcasts", broadcastBody(), http.StatusAccepted},
		{operator, "GET", "/v1/broadcasts", nil, http.StatusOK},
		{operator, "GET", path, nil, http.StatusOK},
		{operator, "POST", path + "/cancel", object{}, http.StatusOK},
	}
}

func TestRidersInAnAreaAreTold(t *testing.T) {
	w := newWorld(t)
	w.run()
	operator, driver, near, far := w.user(account.Operator), w.user(account.Driver), w.user(account.Rider), w.user(account.Rider)
	w.offer(driver)
	w.confirmed(near, w.order(near))
	w.do(far, "POST", "/v1/orders", with(orderBody(), "origin", with(here, "lat", 31.3))).is(http.StatusAccepted)

	accepted := w.do(operator, "POST", "/v1/broadcasts", broadcastBody()).is(http.StatusAccepted)
	b := into[broadcastOut](accepted)
	path := "/v1/broadcasts/" + b.ID.String()
	if got := accepted.Header().Get("Location"); got != path || b.State != notify.Sending || b.Radius != 1000 || b.Center.Lat != 31.23 || b.FinishedAt != nil {
		t.Errorf("accepted %+v at %q", b, got)
	}
	w.Await("everyone is told", func() bool {
		b = into[broadcastOut](w.do(operator, "GET", path, nil).is(http.StatusOK))
		return b.State == notify.Sent && b.FinishedAt != nil
	})
	if b.Told != 1 || b.Pages != (pagesOut{1, 1, 1, 0}) {
		t.Errorf("told %+v", b)
	}
	if got := w.inbox(near); !slices.Contains(got, notify.Announced) {
		t.Errorf("who starts near was told %v", got)
	}
	if got := w.inbox(far); slices.Contains(got, notify.Announced) {
		t.Errorf("who starts elsewhere was told %v", got)
	}
	for _, n := range into[pageOut[noticeOut]](w.do(near, "GET", "/v1/notifications", nil)).Items {
		if n.Event == notify.Announced && (n.OrderID != nil || n.Text != "The tunnel is closed.") {
			t.Errorf("notice %+v", n)
		}
	}
	w.do(operator, "POST", path+"/cancel", nil).refused(http.StatusConflict, "broadcast_over")
}

func TestABroadcastIsCalledOff(t *testing.T) {
	w := newWorld(t)
	operator, rider := w.user(account.Operator), w.user(account.Rider)
	w.order(rider)
	path := "/v1/broadcasts/" + into[broadcastOut](w.do(operator, "POST", "/v1/broadcasts", broadcastBody()).is(http.StatusAccepted)).ID.String()
	for range 2 {
		b := into[broadcastOut](w.do(operator, "POST", path+"/cancel", nil).is(http.StatusOK))
		if b.State != notify.CalledOff {
			t.Errorf("called off %+v", b)
		}
	}
	w.run()
	w.Await("nothing of it runs", func() bool {
		return into[broadcastOut](w.do(operator, "GET", path, nil).is(http.StatusOK)).FinishedAt != nil
	})
	if got := w.inbox(rider); slices.Contains(got, notify.Announced) {
		t.Errorf("the rider was told %v", got)
	}
}

func TestBroadcastsAreRefused(t *testing.T) {
	w := newWorld(t)
	operator, rider, driver := w.user(account.Operator), w.user(account.Rider), w.user(account.Driver)
	b := broadcastBody()
	const forbidden, notFound = http.StatusForbidden, http.StatusNotFound
	nothing := "/v1/broadcasts/" + uuid.NewString()
	w.refuseAll(t, []refusal{
		{"by a rider", rider, "POST", "/v1/broadcasts", b, forbidden, "operators_only", nil},
		{"by a driver", driver, "POST", "/v1/broadcasts", b, forbidden, "operators_only", nil},
		{"read by a rider", rider, "GET", nothing, nil, forbidden, "operators_only", nil},
		{"called off by a driver", driver, "POST", nothing + "/cancel", nil, forbidden, "operators_only", nil},
		{"an unknown one", operator, "GET", nothing, nil, notFound, "broadcast_not_found", nil},
		{"one without an id", operator, "GET", "/v1/broadcasts/x", nil, notFound, "broadcast_not_found", nil},
		{"calling off an unknown one", operator, "POST", nothing + "/cancel", nil, notFound, "broadcast_not_found", nil},
		{"calling off with a field", operator, "POST", nothing + "/cancel", object{"why": 1}, malformedStatus, "field_unknown", nil},
		{"no text", operator, "POST", "/v1/broadcasts", without(b, "text"), invalidStatus, "text_empty", nil},
		{"long text", operator, "POST", "/v1/broadcasts", with(b, "text", strings.Repeat("x", 301)), invalidStatus, "text_too_long", nil},
		{"no center", operator, "POST", "/v1/broadcasts", without(b, "center"), invalidStatus, "field_missing", nil},
		{"no latitude", operator, "POST", "/v1/broadcasts", with(b, "center", object{"lng": 1}), invalidStatus, "field_missing", nil},
		{"off the globe", operator, "POST", "/v1/broadcasts", with(b, "center", with(here, "lat", 95)), invalidStatus, "point_off_the_globe", nil},
		{"no radius", operator, "POST", "/v1/broadcasts", without(b, "radius_metres"), invalidStatus, "field_missing", nil},
		{"too wide", operator, "POST", "/v1/broadcasts", with(b, "radius_metres", 60_000), invalidStatus, "radius_out_of_range", nil},
		{"not signed in", nobody, "POST", "/v1/broadcasts", b, http.StatusUnauthorized, "not_signed_in", nil},
		{"not signed in to read", nobody, "GET", nothing, nil, http.StatusUnauthorized, "not_signed_in", nil},
	})
}
