package httpapi

import (
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/account"
	"github.com/spotpool/spotpool/internal/notify"
)

const preferences = "/v1/me/preferences"

// Who wants no SMS gets notices in the inbox alone, and can still sign in.
func TestSMSCanBeSwitchedOff(t *testing.T) {
	w := newWorld(t)
	w.run()
	driver, rider := w.user(account.Driver), w.user(account.Rider)
	if at := into[preferencesOut](w.do(rider, "GET", preferences, nil).is(http.StatusOK)); !at.SMS {
		t.Error("SMS are off at first")
	}
	w.do(rider, "PUT", preferences, object{"sms": false}).is(http.StatusOK)
	if now := into[preferencesOut](w.do(rider, "GET", preferences, nil).is(http.StatusOK)); now.SMS {
		t.Error("SMS are still on")
	}

	w.offer(driver)
	w.confirmed(rider, w.order(rider))
	if text := <-w.texts; !strings.HasPrefix(text, driver.Phone) {
		t.Errorf("sent %q, want one to the driver", text)
	}
	if notices := into[pageOut[noticeOut]](w.do(rider, "GET", "/v1/notifications", nil).is(http.StatusOK)).Items; len(notices) != 1 {
		t.Errorf("inbox %+v", notices)
	}
	w.do(nobody, "POST", "/v1/auth/codes", object{"phone": rider.Phone}).is(http.StatusAccepted)
	if text := <-w.texts; !strings.HasPrefix(text, rider.Phone) {
		t.Errorf("sent %q, want a code to the rider", text)
	}

	w.do(rider, "PUT", preferences, object{"sms": true}).is(http.StatusOK)
	if at := into[preferencesOut](w.do(rider, "GET", preferences, nil).is(http.StatusOK)); !at.SMS {
		t.Error("SMS stay off")
	}
}

// What an earlier client leaves out stays as it is.
func TestWhatIsLeftOutStays(t *testing.T) {
	w := newWorld(t)
	rider, zh := w.user(account.Rider), notify.Chinese
	for _, c := range []struct {
		put  object
		want preferencesOut
	}{
		{object{"sms": true}, preferencesOut{true, true, nil}},
		{object{"sms": true, "inbox": false, "lang": "zh"}, preferencesOut{true, false, &zh}},
		{object{"sms": false}, preferencesOut{false, false, &zh}},
		{object{"sms": true, "inbox": true}, preferencesOut{true, true, &zh}},
	} {
		put := into[preferencesOut](w.do(rider, "PUT", preferences, c.put).is(http.StatusOK))
		got := into[preferencesOut](w.do(rider, "GET", preferences, nil).is(http.StatusOK))
		if !reflect.DeepEqual(put, c.want) || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%v: %+v, then %+v, want %+v", c.put, put, got, c.want)
		}
	}
}

func TestPreferencesAreRefused(t *testing.T) {
	w := newWorld(t)
	rider, gone := w.user(account.Rider), account.User{ID: uuid.Must(uuid.NewV7()), Role: account.Rider}
	ghost, err := w.api.Accounts.Mint(gone)
	if err != nil {
		t.Fatal(err)
	}
	w.refuseAll(t, []refusal{
		{"no body", rider, "PUT", preferences, nil, malformedStatus, "json_invalid", nil},
		{"a word", rider, "PUT", preferences, object{"sms": "no"}, malformedStatus, "field_malformed", nil},
		{"another channel", rider, "PUT", preferences, object{"sms": true, "fax": true}, malformedStatus, "field_unknown", nil},
		{"another language", rider, "PUT", preferences, object{"sms": true, "lang": "fr"}, invalidStatus, "lang_unknown", nil},
		{"nothing chosen", rider, "PUT", preferences, object{}, invalidStatus, "field_missing", nil},
		{"of a user who is gone", user{gone, ghost.Text}, "PUT", preferences, object{"sms": true}, http.StatusNotFound, "user_not_found", nil},
		{"read by a user who is gone", user{gone, ghost.Text}, "GET", preferences, nil, http.StatusNotFound, "user_not_found", nil},
		{"another method", rider, "POST", preferences, object{"sms": true}, http.StatusMethodNotAllowed, "method_not_allowed", nil},
	})
}
