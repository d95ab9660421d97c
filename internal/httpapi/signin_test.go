package httpapi

import (
	"bytes"
	"maps"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/spotpool/spotpool/internal/account"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
)

// askCode has a code sent to a number and returns it as the SMS had it.
func (w *world) askCode(phone string) string {
	w.t.Helper()
	w.do(nobody, "POST", "/v1/auth/codes", object{"phone": phone}).is(http.StatusAccepted)
	deadline := time.After(jobstest.Deadline)
	for {
		select {
		case sms := <-w.texts: // others may get theirs about a ride
			to, text, _ := strings.Cut(sms, " ")
			if code := sixDigits.FindString(text); to == phone && code != "" {
				return code
			}
		case <-deadline:
			w.t.Fatal("no SMS came")
		}
	}
}

var sixDigits = regexp.MustCompile(`^\d{6}\b`)

// wrong returns a code that is not this one.
func wrong(code string) string {
	if code == "000000" {
		return "000001"
	}
	return "000000"
}

func signInBody(phone, code string) object { return object{"phone": phone, "code": code} }

func TestSignInWithTheCode(t *testing.T) {
	w := newWorld(t)
	w.run()
	phone := w.phone()
	code := w.askCode(phone)
	s := into[tokenOut](w.do(nobody, "POST", "/v1/auth/tokens", signInBody(phone, code)).is(http.StatusOK))
	if s.User.Role != account.Rider || s.User.ID == "" {
		t.Errorf("signed in as %+v", s.User)
	}
	if expires, err := time.Parse(time.RFC3339, s.ExpiresAt); err != nil || time.Until(expires) < 50*time.Minute {
		t.Errorf("expires at %s", s.ExpiresAt)
	}
	me := user{token: s.Token}
	if o := w.order(me); o.RiderID.String() != s.User.ID {
		t.Errorf("the order is of %s", o.RiderID)
	}
	w.do(nobody, "POST", "/v1/auth/tokens", signInBody(phone, code)).refused(http.StatusUnauthorized, "code_wrong")
}

func TestSignInAsDriver(t *testing.T) {
	w := newWorld(t)
	w.run()
	for _, c := range []struct {
		before account.Role // empty: a number that nobody has yet
		wish   string
		after  account.Role
	}{
		{"", "driver", account.Driver},
		{account.Driver, "", account.Driver},
		{account.Driver, "rider", account.Rider},
		{account.Operator, "driver", account.Operator},
	} {
		t.Run(string(c.before)+" to "+c.wish, func(t *testing.T) {
			phone := w.phone()
			if c.before != "" {
				phone = w.user(c.before).Phone
			}
			body := with(signInBody(phone, w.askCode(phone)), "role", c.wish)
			s := into[tokenOut](w.do(nobody, "POST", "/v1/auth/tokens", body).is(http.StatusOK))
			if s.User.Role != c.after {
				t.Errorf("signed in as %s, want %s", s.User.Role, c.after)
			}
			if may := w.do(user{token: s.Token}, "POST", "/v1/trips", tripBody()).Code == http.StatusCreated; may != (c.after == account.Driver) {
				t.Errorf("may offer trips: %v", may)
			}
		})
	}
}

// TestWrongCodeCostsATry also holds that the refusal does not use up the
// Idempotency-Key, and that the tries are counted although it is refused.
func TestWrongCodeCostsATry(t *testing.T) {
	w := newWorld(t)
	w.run()
	phone := w.phone()
	code := w.askCode(phone)
	key := header{"Idempotency-Key": "sign in"}
	for try := range 4 {
		if left := w.counts(t)["tries left"]; left != 5-try {
			t.Errorf("%d tries left before try %d", left, try+1)
		}
		w.do(nobody, "POST", "/v1/auth/tokens", signInBody(phone, wrong(code)), key).refused(http.StatusUnauthorized, "code_wrong")
		if n := w.counts(t)["idempotency_keys"]; n != 0 {
			t.Errorf("the refusal used up its key")
		}
	}
	first := w.do(nobody, "POST", "/v1/auth/tokens", signInBody(phone, code), key).is(http.StatusOK)
	before := w.counts(t)
	again := w.do(nobody, "POST", "/v1/auth/tokens", signInBody(phone, code), key).is(http.StatusOK)
	if !bytes.Equal(first.Body.Bytes(), again.Body.Bytes()) {
		t.Errorf("first %s\nthen %s", first.Body, again.Body)
	}
	if after := w.counts(t); !maps.Equal(before, after) {
		t.Errorf("rows before %v, after %v", before, after)
	}
	var stored string
	if err := w.DB.Read(t.Context()).Raw("SELECT body_sealed FROM idempotency_keys").Scan(&stored).Error; err != nil || stored == "" {
		t.Fatal(stored, err)
	}
	if token := into[tokenOut](first).Token; strings.Contains(stored, token) {
		t.Error("the token is stored as it is")
	}
}

func TestCodeIsOutOfTries(t *testing.T) {
	w := newWorld(t)
	w.run()
	phone := w.phone()
	code := w.askCode(phone)
	for range 5 {
		w.do(nobody, "POST", "/v1/auth/tokens", signInBody(phone, wrong(code))).refused(http.StatusUnauthorized, "code_wrong")
	}
	w.do(nobody, "POST", "/v1/auth/tokens", signInBody(phone, code)).refused(http.StatusUnauthorized, "code_wrong")
}
