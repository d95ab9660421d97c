package notify

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/fault"
	"github.com/spotpool/spotpool/internal/jobs"
)

// testPhone is the number of the adapters' tests, and testDigits what of it no
// error may tell.
const (
	testPhone  = "+8613812345678"
	testDigits = "13812345678"
)

var testNow = time.Date(2026, 5, 4, 8, 0, 0, 0, time.UTC)

// answer is what a provider's server says.
type answer struct {
	status int
	body   string
	header map[string]string
}

// serve runs a provider's server on loopback until the test ends.
func serve(t *testing.T, handle func(r *http.Request) answer) (url string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := handle(r)
		w.Header().Set("Content-Type", "application/json")
		for name, value := range a.header {
			w.Header().Set(name, value)
		}
		w.WriteHeader(a.status)
		_, _ = w.Write([]byte(a.body))
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// outcome is what an error of a Texter means for the job.
type outcome struct {
	released time.Duration
	failed   bool
	code     string // of the fault
}

func outcomeOf(t *testing.T, err error) (o outcome) {
	t.Helper()
	if err == nil {
		return o
	}
	if strings.Contains(err.Error(), testDigits) || strings.Contains(err.Error(), "the text") {
		t.Errorf("the error tells the number or the text: %v", err)
	}
	if after, ok := jobs.Released(err); ok {
		return outcome{released: after}
	}
	return outcome{failed: jobs.IsFail(err), code: fault.CodeOf(err)}
}

// Outcomes of the tables.
var (
	taken = outcome{}
	retry = outcome{code: "sms_unavailable"}
)

func releasedFor(d time.Duration) outcome { return outcome{released: d} }
func failedAs(code string) outcome        { return outcome{failed: true, code: code} }

// wrong is what every adapter must make of a provider that does not do its work.
var wrong = map[string]struct {
	answer answer
	want   outcome
}{
	"out of order":              {answer{status: 500, body: "{}"}, retry},
	"a proxy's page":            {answer{status: 502, body: "<html>"}, retry},
	"a redirect":                {answer{status: 302, header: map[string]string{"Location": "/elsewhere"}}, retry},
	"a refusal that is no JSON": {answer{status: 403, body: "no"}, retry},
	"too many, seconds":         {answer{status: 429, header: map[string]string{"Retry-After": "17"}}, releasedFor(17 * time.Second)},
	"too many, a date":          {answer{status: 429, header: map[string]string{"Retry-After": testNow.Add(90 * time.Second).Format(http.TimeFormat)}}, releasedFor(90 * time.Second)},
	"too many, a date gone by":  {answer{status: 429, header: map[string]string{"Retry-After": testNow.Add(-time.Hour).Format(http.TimeFormat)}}, releasedFor(time.Second)},
	"too many, for days":        {answer{status: 429, header: map[string]string{"Retry-After": "999999999999"}}, releasedFor(time.Hour)},
	"too many, unsaid":          {answer{status: 429}, releasedFor(usualPause)},
}

// testWrong holds an adapter, made for a server's address, against wrong and
// against servers that cannot be reached or do not answer.
func testWrong(t *testing.T, adapter func(url string) Texter) {
	m := SMS{Key: "key", Phone: testPhone, Text: "the text"}
	for name, c := range wrong {
		t.Run(name, func(t *testing.T) {
			err := adapter(serve(t, func(*http.Request) answer { return c.answer })).Text(t.Context(), m)
			if got := outcomeOf(t, err); got != c.want {
				t.Errorf("%+v, want %+v: %v", got, c.want, err)
			}
		})
	}
	t.Run("nobody there", func(t *testing.T) {
		gone := httptest.NewServer(nil)
		gone.Close()
		if err := adapter(gone.URL).Text(t.Context(), m); outcomeOf(t, err) != retry {
			t.Error(err)
		}
	})
	t.Run("no answer in time", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		asked := make(chan struct{})
		over := make(chan struct{})
		url := serve(t, func(r *http.Request) answer {
			close(asked)
			<-over
			return answer{status: 500}
		})
		defer close(over)
		go func() {
			<-asked
			cancel()
		}()
		err := adapter(url).Text(ctx, m)
		if outcomeOf(t, err) != retry || !errors.Is(err, context.Canceled) {
			t.Errorf("%v, want that the attempt was broken off", err)
		}
	})
}

func fakeClock() clock.Clock { return clock.NewFake(testNow) }
