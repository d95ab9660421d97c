package httpapi

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/account"
	"github.com/spotpool/spotpool/internal/fault"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/notify"
	"github.com/spotpool/spotpool/internal/trip"
)

type toldPage struct {
	Events []toldOut `json:"events"`
}

// toldOf returns how people were told of an event of a trip, once nobody waits.
func (w *world) toldOf(u user, tripID uuid.UUID, ev notify.Event) (found toldOut) {
	w.t.Helper()
	w.Await("everyone to be told of "+string(ev), func() bool {
		page := into[toldPage](w.do(u, "GET", "/v1/trips/"+tripID.String()+"/notices", nil).is(http.StatusOK))
		for _, e := range page.Events {
			if e.Event == ev {
				found = e
				return e.Waiting == 0
			}
		}
		return false
	})
	return found
}

// waiting returns how many SMS to the users are still to be sent.
func (w *world) waiting(users []user) (n int) {
	w.t.Helper()
	ids := make([]uuid.UUID, len(users))
	for i, u := range users {
		ids[i] = u.ID
	}
	err := w.DB.Read(w.t.Context()).Raw("SELECT COUNT(*) FROM notices WHERE sms = ? AND user_id IN ?", notify.Waiting, ids).Scan(&n).Error
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// nextMinute forgets what was sent to each number.
func (w *world) nextMinute() {
	w.t.Helper()
	rdb := w.System.Redis()
	keys, err := rdb.Keys(w.t.Context(), "spotpool:{limit}:sms:number:*").Result()
	if err == nil && len(keys) > 0 {
		err = rdb.Del(w.t.Context(), keys...).Err()
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// A driver calls off a trip with three riders, of whom one wants no SMS and one has a
// number that the provider does not reach: the trip shows it, and the driver is told.
func TestACancelledTripShowsWhoWasTold(t *testing.T) {
	w := newWorld(t)
	w.run()
	driver := w.user(account.Driver)
	ride := w.offer(driver)
	path := "/v1/trips/" + ride.ID.String() + "/notices"
	if got := into[toldPage](w.do(driver, "GET", path, nil).is(http.StatusOK)); got.Events == nil || len(got.Events) != 0 {
		t.Errorf("before anything happens %+v", got)
	}
	riders := []user{w.user(account.Rider), w.user(account.Rider), w.user(account.Rider)}
	w.do(riders[1], "PUT", preferences, object{"sms": false, "lang": "zh"}).is(http.StatusOK)
	for _, rider := range riders {
		w.confirmed(rider, w.order(rider))
	}
	w.Await("the riders to know of their rides", func() bool { return w.waiting(riders) == 0 })
	w.nextMinute()
	w.refused.Store(riders[2].Phone, jobs.Fail(fault.New(fault.Invalid, "sms_number_invalid", "the provider does not reach the number")))

	w.do(driver, "POST", "/v1/trips/"+ride.ID.String()+"/cancel", object{}).is(http.StatusOK)
	got := w.toldOf(driver, ride.ID, notify.Rematching)
	if want := map[notify.Fate]int{notify.OptedOut: 1, notify.NumberRefused: 1}; got.Total != 3 || got.Told != 1 || !maps.Equal(got.NotTold, want) || got.FinishedAt == nil {
		t.Errorf("called off: %+v", got)
	}
	for _, rider := range riders {
		if got := w.inbox(rider); !slices.Contains(got, notify.Rematching) {
			t.Errorf("a rider's inbox has %v", got)
		}
	}
	w.Await("the driver to hear of it", func() bool { return slices.Contains(w.inbox(driver), notify.Unreached) })
	for _, n := range into[pageOut[noticeOut]](w.do(riders[1], "GET", "/v1/notifications", nil)).Items {
		if n.Event == notify.Rematching && !strings.Contains(n.Text, "正在为您寻找其他车辆") {
			t.Errorf("in Chinese: %s", n.Text)
		}
	}

	operator, other := w.user(account.Operator), w.user(account.Driver)
	w.do(operator, "GET", path, nil).is(http.StatusOK)
	w.refuseAll(t, []refusal{
		{"another driver", other, "GET", path, nil, http.StatusNotFound, trip.ErrNotFound.Code, nil},
		{"a rider", riders[0], "GET", path, nil, http.StatusNotFound, trip.ErrNotFound.Code, nil},
		{"of no trip", driver, "GET", "/v1/trips/" + uuid.NewString() + "/notices", nil, http.StatusNotFound, trip.ErrNotFound.Code, nil},
		{"nobody", nobody, "GET", path, nil, http.StatusUnauthorized, "not_signed_in", nil},
	})
}

func TestOperatorsListBroadcasts(t *testing.T) {
	w := newWorld(t)
	operator, rider := w.user(account.Operator), w.user(account.Rider)
	var ids []uuid.UUID
	for range 3 {
		b := into[broadcastOut](w.do(operator, "POST", "/v1/broadcasts", broadcastBody()).is(http.StatusAccepted))
		ids = append(ids, b.ID)
	}
	first := into[pageOut[broadcastOut]](w.do(operator, "GET", "/v1/broadcasts?limit=2", nil).is(http.StatusOK))
	second := into[pageOut[broadcastOut]](w.do(operator, "GET", "/v1/broadcasts?limit=2&cursor="+first.NextCursor, nil).is(http.StatusOK))
	var got []uuid.UUID
	for _, b := range append(first.Items, second.Items...) {
		got = append(got, b.ID)
		if b.Pages.Expected != 1 || b.Radius != 1000 || b.Center.Lat != 31.23 {
			t.Errorf("listed %+v", b)
		}
	}
	slices.Reverse(ids)
	if !slices.Equal(got, ids) || second.NextCursor != "" {
		t.Errorf("listed %v, want %v", got, ids)
	}
	w.do(rider, "GET", "/v1/broadcasts", nil).is(http.StatusForbidden)
}
