package account

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/db/dbtest"
	"github.com/spotpool/spotpool/internal/fault"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
	"github.com/spotpool/spotpool/internal/notify"
)

const (
	secret = "another secret for tests"
	phone  = "+8613800138000"
)

// desk is an account service whose jobs are kept instead of run.
type desk struct {
	*Service
	t     *testing.T
	clock *clock.Fake
	sent  []jobs.Job
}

func (d *desk) Dispatch(_ *db.Tx, js ...jobs.Job) error {
	d.sent = append(d.sent, js...)
	return nil
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{t: t, clock: clock.NewFake(time.Date(2026, 5, 4, 8, 0, 0, 0, time.UTC))}
	s, err := New(dbtest.Open(t), d, jobstest.Box(t), d.clock, []byte(secret), 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	d.Service = s
	return d
}

// request asks for a code and returns the one that was sent, empty when none was.
func (d *desk) request() string {
	d.t.Helper()
	before := len(d.sent)
	if err := d.db.Tx(d.t.Context(), func(tx *db.Tx) error { return d.RequestCode(tx, phone) }); err != nil {
		d.t.Fatal(err)
	}
	if len(d.sent) == before {
		return ""
	}
	var args struct{ Code string }
	if err := json.Unmarshal(d.sent[before].Args(), &args); err != nil || d.sent[before].Kind() != "notify:code" {
		d.t.Fatalf("sent %s %s, %v", d.sent[before].Kind(), d.sent[before].Args(), err)
	}
	return args.Code
}

func (d *desk) signIn(code string, role Role) Session {
	d.t.Helper()
	var session Session
	err := d.db.Tx(d.t.Context(), func(tx *db.Tx) (err error) {
		session, err = d.SignIn(tx, phone, code, role)
		return err
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return session
}

// not returns a code that is not code.
func not(code string) string {
	if code == "000000" {
		return "000001"
	}
	return "000000"
}

func TestSignIn(t *testing.T) {
	d := newDesk(t)
	code := d.request()
	if len(code) != 6 || strings.Trim(code, "0123456789") != "" {
		t.Fatalf("the code is %q", code)
	}
	session := d.signIn(code, "")
	if session.Refused != nil || session.User.Role != Rider || session.User.Phone != phone {
		t.Fatalf("got %+v", session)
	}
	who, err := d.Verify(session.Token.Text)
	if err != nil || who != (Identity{session.User.ID, Rider}) {
		t.Errorf("the token says %+v, %v", who, err)
	}
	if got, want := session.Token.ExpiresAt, d.clock.Now().Add(24*time.Hour); !got.Equal(want) {
		t.Errorf("the token expires at %s, want %s", got, want)
	}
	if again := d.signIn(code, ""); !errors.Is(again.Refused, ErrCodeWrong) || again.Token.Text != "" {
		t.Errorf("the code worked twice: %+v", again)
	}
	found, err := d.Contacts(t.Context(), session.User.ID, uuid.New())
	if want := map[uuid.UUID]notify.Contact{session.User.ID: {Phone: phone}}; err != nil || !maps.Equal(found, want) {
		t.Errorf("contacts %+v, %v", found, err)
	}
}

func TestPreferencesAreKept(t *testing.T) {
	d := newDesk(t)
	u, err := d.Ensure(t.Context(), phone, Rider)
	if err != nil {
		t.Fatal(err)
	}
	prefer := func(id uuid.UUID, c Choice) (p Preferences, err error) {
		err = d.db.Tx(t.Context(), func(tx *db.Tx) error { p, err = d.Prefer(tx, id, c); return err })
		return p, err
	}
	for _, c := range []struct {
		choice Choice
		want   Preferences
	}{
		{Choice{SMSOff: new(true)}, Preferences{SMSOff: true}},
		{Choice{SMSOff: new(true)}, Preferences{SMSOff: true}}, // the same again is no error
		{Choice{InboxOff: new(true), Lang: new(notify.Chinese)}, Preferences{true, true, notify.Chinese}},
		{Choice{SMSOff: new(false), InboxOff: new(false)}, Preferences{Lang: notify.Chinese}},
		{Choice{}, Preferences{Lang: notify.Chinese}},
	} {
		got, err := prefer(u.ID, c.choice)
		if err != nil || got != c.want {
			t.Errorf("preferences %+v, %v, want %+v", got, err, c.want)
		}
		if _, err := d.Ensure(t.Context(), phone, Driver); err != nil { // who gets another role keeps them
			t.Fatal(err)
		}
		kept, err := d.Preferences(t.Context(), u.ID)
		to, err2 := d.Contacts(t.Context(), u.ID)
		if want := (notify.Contact{Phone: phone, Lang: c.want.Lang, NoSMS: c.want.SMSOff, NoInbox: c.want.InboxOff}); err != nil || err2 != nil || kept != c.want || to[u.ID] != want {
			t.Errorf("kept %+v, %+v, %v, %v, want %+v", kept, to, err, err2, c.want)
		}
	}
	if _, err := prefer(uuid.New(), Choice{SMSOff: new(true)}); !errors.Is(err, ErrNotFound) {
		t.Errorf("of nobody: %v", err)
	}
	if _, err := prefer(u.ID, Choice{Lang: new(notify.Lang("fr"))}); fault.CodeOf(err) != "lang_unknown" {
		t.Errorf("in French: %v", err)
	}
}

func TestCodeIsRefused(t *testing.T) {
	tests := []struct {
		name   string
		before func(d *desk, code string) // what happens before the right code is given
	}{
		{"after it expired", func(d *desk, _ string) { d.clock.Advance(5 * time.Minute) }},
		{"after five wrong tries", func(d *desk, code string) {
			for range 5 {
				if s := d.signIn(not(code), ""); !errors.Is(s.Refused, ErrCodeWrong) {
					d.t.Errorf("a wrong code: %+v", s)
				}
			}
		}},
		{"after five tries spread over two codes", func(d *desk, code string) {
			for range 4 {
				d.signIn(not(code), "")
			}
			d.clock.Advance(time.Minute)
			code = d.request()
			d.signIn(not(code), "")
			if d.signIn(code, "").Refused == nil {
				d.t.Error("a newer code brought new tries")
			}
		}},
		{"after a newer one was sent", func(d *desk, code string) {
			d.clock.Advance(time.Minute)
			for d.request() == code { // one time in a million they are the same
				d.clock.Advance(time.Minute)
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := newDesk(t)
			code := d.request()
			tt.before(d, code)
			if s := d.signIn(code, ""); !errors.Is(s.Refused, ErrCodeWrong) || s.User.ID != uuid.Nil {
				t.Errorf("got %+v", s)
			}
		})
	}
}

func TestFourWrongTriesAreForgiven(t *testing.T) {
	d := newDesk(t)
	code := d.request()
	for range 4 {
		d.signIn(not(code), "")
	}
	if s := d.signIn(code, ""); s.Refused != nil {
		t.Errorf("refused: %v", s.Refused)
	}
}

func TestUnknownNumberIsRefusedAlike(t *testing.T) {
	d := newDesk(t)
	if s := d.signIn("123456", ""); !errors.Is(s.Refused, ErrCodeWrong) {
		t.Errorf("got %+v", s)
	}
}

func TestRequestCodePauses(t *testing.T) {
	d := newDesk(t)
	d.request()
	d.clock.Advance(59 * time.Second)
	if d.request() != "" {
		t.Error("a second code within a minute")
	}
	d.clock.Advance(time.Second)
	code := d.request()
	if code == "" {
		t.Fatal("no second code after a minute")
	}
	for range 5 {
		d.signIn(not(code), "")
	}
	d.clock.Advance(2 * time.Minute)
	if d.request() != "" {
		t.Error("a new code while one that is out of tries lives")
	}
	d.clock.Advance(3 * time.Minute)
	code = d.request()
	if s := d.signIn(code, ""); code == "" || s.Refused != nil {
		t.Errorf("code %q after the wait: %v", code, s.Refused)
	}
}

func TestSignInSwitchesRoles(t *testing.T) {
	tests := []struct{ was, asked, want Role }{
		{Rider, "", Rider}, {Rider, Driver, Driver}, {Driver, Rider, Rider}, {Driver, "", Driver},
		{Operator, Rider, Operator}, {Operator, "", Operator},
	}
	for _, tt := range tests {
		d := newDesk(t)
		if _, err := d.Ensure(t.Context(), phone, tt.was); err != nil {
			t.Fatal(err)
		}
		s := d.signIn(d.request(), tt.asked)
		stored, err := byPhone(&db.Tx{DB: d.db.Read(t.Context())}, phone)
		if err != nil || s.User.Role != tt.want || stored.Role != tt.want {
			t.Errorf("%s asks for %q: session %s, stored %s, %v; want %s", tt.was, tt.asked, s.User.Role, stored.Role, err, tt.want)
		}
	}
}

func TestBadInput(t *testing.T) {
	d := newDesk(t)
	for _, bad := range []string{"", "13800138000", "+0123456789", "+86 138 0013 8000", "+123456", "+1234567890123456", "+8613800138000\n"} {
		err := d.db.Tx(t.Context(), func(tx *db.Tx) error { return d.RequestCode(tx, bad) })
		if fault.CodeOf(err) != "phone_invalid" || fault.KindOf(err) != fault.Invalid {
			t.Errorf("request for %q: %v", bad, err)
		}
		if _, err := d.Ensure(t.Context(), bad, Rider); fault.CodeOf(err) != "phone_invalid" {
			t.Errorf("ensure %q: %v", bad, err)
		}
	}
	for _, bad := range []Role{Operator, "admin"} {
		err := d.db.Tx(t.Context(), func(tx *db.Tx) error {
			_, err := d.SignIn(tx, phone, "123456", bad)
			return err
		})
		if fault.CodeOf(err) != "role_unknown" {
			t.Errorf("sign in as %q: %v", bad, err)
		}
	}
	if _, err := d.Ensure(t.Context(), phone, "admin"); fault.CodeOf(err) != "role_unknown" {
		t.Errorf("ensure an admin: %v", err)
	}
	if len(d.sent) != 0 {
		t.Errorf("%d messages were sent", len(d.sent))
	}
}

func TestEnsureMany(t *testing.T) {
	d := newDesk(t)
	phones := make([]string, 1201)
	for i := range phones {
		phones[i] = fmt.Sprintf("+86139%08d", len(phones)-i)
	}
	known, err := d.Ensure(t.Context(), phones[700], Rider)
	if err != nil {
		t.Fatal(err)
	}
	first, err := d.EnsureMany(t.Context(), phones, Driver)
	if err != nil {
		t.Fatal(err)
	}
	if first[700].ID != known.ID {
		t.Error("a known user got another id")
	}
	again, err := d.EnsureMany(t.Context(), phones, Driver)
	if err != nil || !slices.EqualFunc(first, again, func(a, b User) bool { return a.ID == b.ID }) {
		t.Errorf("the second time: %d users, %v", len(again), err)
	}
	for i, u := range again {
		if u.Phone != phones[i] || u.Role != Driver || u.ID == uuid.Nil {
			t.Fatalf("user %d is %+v", i, u)
		}
	}
	if users, err := d.EnsureMany(t.Context(), nil, Rider); err != nil || len(users) != 0 {
		t.Errorf("nobody: %v, %v", users, err)
	}
}
