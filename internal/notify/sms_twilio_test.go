package notify

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"
)

func twilioAt(t *testing.T, endpoint, from string) *Twilio {
	t.Helper()
	p, err := NewTwilio(TwilioConfig{Endpoint: endpoint, Account: "AC1", Token: "the token", From: from}, fakeClock())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const twilioCreated = `{"sid":"SM1","status":"queued","error_code":null}`

// admits reports whether a request comes from the account, and is for its messages.
func admits(r *http.Request) bool {
	user, password, ok := r.BasicAuth()
	return ok && user == "AC1" && password == "the token" && r.URL.Path == "/2010-04-01/Accounts/AC1/Messages.json"
}

func TestTwilioGetsAForm(t *testing.T) {
	var got url.Values
	url := serve(t, func(r *http.Request) answer {
		if !admits(r) || r.Method != http.MethodPost {
			t.Errorf("%s %s, %q", r.Method, r.URL, r.Header.Get("Authorization"))
		}
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		got = r.PostForm
		return answer{status: 201, body: twilioCreated}
	})
	for from, field := range map[string]string{"+15005550006": "From", "MG1": "MessagingServiceSid"} {
		if err := twilioAt(t, url, from).Text(t.Context(), SMS{Key: "k", Phone: testPhone, Text: "50% & 拼车 + more"}); err != nil {
			t.Fatal(err)
		}
		if got.Get("To") != testPhone || got.Get("Body") != "50% & 拼车 + more" || got.Get(field) != from || len(got) != 3 {
			t.Errorf("the form of %s is %v", from, got)
		}
	}
}

func TestWhatTwilioAnswers(t *testing.T) {
	says := func(status, code int) answer {
		return answer{status: status, body: fmt.Sprintf(`{"code":%d,"message":"The 'To' number %s is wrong","status":%d}`, code, testPhone, status)}
	}
	for name, c := range map[string]struct {
		answer answer
		want   outcome
	}{
		"taken":                   {answer{status: 201, body: twilioCreated}, taken},
		"taken, broken off":       {answer{status: 201, body: `{"sid"`}, taken},
		"no number":               {says(400, 21211), failedAs("sms_number_invalid")},
		"a country not sent to":   {says(400, 21408), failedAs("sms_number_invalid")},
		"a landline":              {says(400, 21614), failedAs("sms_number_invalid")},
		"unsubscribed":            {says(400, 21610), failedAs("sms_blocked")},
		"too long":                {says(400, 21617), failedAs("sms_rejected")},
		"too many wait":           {says(400, 21611), releasedFor(usualPause)},
		"too many":                {says(429, 20429), releasedFor(usualPause)},
		"a wrong token":           {says(401, 20003), retry},
		"a sender that is not us": {says(400, 21606), retry},
		"an unknown code":         {says(400, 99999), retry},
		"no code":                 {answer{status: 404, body: `{}`}, retry},
	} {
		t.Run(name, func(t *testing.T) {
			err := twilioAt(t, serve(t, func(*http.Request) answer { return c.answer }), "MG1").
				Text(t.Context(), SMS{Key: "k", Phone: testPhone, Text: "the text"})
			if got := outcomeOf(t, err); got != c.want {
				t.Errorf("%+v, want %+v: %v", got, c.want, err)
			}
		})
	}
	testWrong(t, func(url string) Texter { return twilioAt(t, url, "MG1") })
}

// Twilio's messages have no name: what is sent again is looked for by its text.
func TestTwilioIsAskedWhatWasSent(t *testing.T) {
	record := func(text string, ago time.Duration) answer {
		return answer{status: 200, body: fmt.Sprintf(`{"messages":[{"body":"other","date_created":%q},{"body":%q,"date_created":%q}]}`,
			testNow.Format(time.RFC1123Z), text, testNow.Add(-ago).Format(time.RFC1123Z))}
	}
	for name, c := range map[string]struct {
		found answer
		sends int
		want  outcome
	}{
		"it was sent":               {record("the text", 10*time.Second), 0, taken},
		"another was":               {record("a text", 10*time.Second), 1, taken},
		"the same, but long ago":    {record("the text", 2*time.Hour), 1, taken},
		"looking goes wrong":        {answer{status: 503}, 0, retry},
		"an answer without sense":   {answer{status: 200, body: "?"}, 0, retry},
		"looking is not worthwhile": {answer{status: 400, body: `{"code":21211}`}, 1, taken},
		"one may not look":          {answer{status: 401, body: `{"code":20003}`}, 1, taken},
	} {
		t.Run(name, func(t *testing.T) {
			sends := 0
			p := twilioAt(t, serve(t, func(r *http.Request) answer {
				if !admits(r) {
					t.Errorf("%s %s", r.Method, r.URL)
				}
				if r.Method == http.MethodGet {
					if got := r.URL.Query().Get("To"); got != testPhone {
						t.Errorf("looked for %q", got)
					}
					return c.found
				}
				sends++
				return answer{status: 201, body: twilioCreated}
			}), "MG1")
			err := p.Text(t.Context(), SMS{Key: "k", Phone: testPhone, Text: "the text", Again: true})
			if got := outcomeOf(t, err); got != c.want || sends != c.sends {
				t.Errorf("%+v and %d sent, want %+v and %d: %v", got, sends, c.want, c.sends, err)
			}
		})
	}
}

func TestTwilioNeedsAnEndpoint(t *testing.T) {
	for _, at := range []string{"", "api.twilio.com", "://"} {
		if _, err := NewTwilio(TwilioConfig{Endpoint: at}, fakeClock()); err == nil {
			t.Errorf("%q was taken", at)
		}
	}
}
