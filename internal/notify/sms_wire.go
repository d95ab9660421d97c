package notify

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/fault"
	"github.com/spotpool/spotpool/internal/jobs"
)

// lookBack is how far a message that is sent again is looked for among those that
// the provider has taken. The next attempt comes within minutes.
const lookBack = time.Hour

// verdict is what a provider's answer means for the job.
type verdict int

const (
	outOfOrder  verdict = iota // the provider, or our account with it, is in trouble: try again
	busy                       // too much at a time: not now
	unreachable                // the number is none, or none that can be reached
	blocked                    // the person has told the provider to send no more
	rejected                   // the message itself is refused
)

// refusal returns the error for a provider's answer that names the code. after is
// how long it wants to be left alone when it is busy.
func (w *wire) refusal(v verdict, code string, after time.Duration) error {
	switch v {
	case busy:
		return jobs.Release(after, "flow control of "+w.provider+" ("+code+")")
	case unreachable:
		return jobs.Fail(fault.New(fault.Invalid, "sms_number_invalid", "%s does not reach the number (%s)", w.provider, code))
	case blocked:
		return jobs.Fail(fault.New(fault.Conflict, "sms_blocked", "the person has had %s send no more (%s)", w.provider, code))
	case rejected:
		return jobs.Fail(fault.New(fault.Invalid, "sms_rejected", "%s refuses the message (%s)", w.provider, code))
	}
	return w.unavailable("it answers "+code, errRefused)
}

// errRefused tells an answer that refuses from none.
var errRefused = errors.New("refused")

// notTold reports whether a provider has refused to tell what was sent. The message is
// sent then: twice is better than never.
func notTold(err error) bool { return jobs.IsFail(err) || errors.Is(err, errRefused) }

// unavailable returns the error for a provider that does not do its work. cause
// must not hold a number.
func (w *wire) unavailable(why string, cause error) error {
	return fault.Wrap(cause, fault.Unavailable, "sms_unavailable", "%s is out of order: %s", w.provider, why)
}

// wire carries an adapter's requests to its provider. It is safe for concurrent use.
type wire struct {
	provider string
	clock    clock.Clock
	http     *http.Client
}

const (
	wireTimeout = 10 * time.Second // of one request, shorter than a job's
	maxAnswer   = 1 << 20          // bytes
	usualPause  = 5 * time.Second  // of a provider that is busy and does not say for how long
)

func newWire(provider string, clk clock.Clock) *wire {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 16
	return &wire{provider, clk, &http.Client{
		Transport: transport, Timeout: wireTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// do sends a request. It returns a release for an answer of 429, and the fault
// "sms_unavailable" for one of 500 or more, or none at all. What net/http says of
// an error names the address, which may hold the number: that is left out.
func (w *wire) do(req *http.Request) (*http.Response, error) {
	res, err := w.http.Do(req)
	if err != nil {
		var named *url.Error
		if errors.As(err, &named) {
			err = named.Err
		}
		return nil, w.unavailable("no answer", err)
	}
	res.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(res.Body, maxAnswer), res.Body}
	switch code := res.StatusCode; {
	case code == http.StatusTooManyRequests:
		err = w.refusal(busy, "429", retryAfter(res.Header, w.clock.Now()))
	case code >= http.StatusInternalServerError || code >= 300 && code < 400:
		err = w.unavailable("it answers "+strconv.Itoa(code), nil)
	default:
		return res, nil
	}
	_ = res.Body.Close()
	return nil, err
}

// lost returns the error for an answer that never came whole, or cannot be read.
func (w *wire) lost(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return w.unavailable("no answer", err)
	}
	return w.unavailable("its answer cannot be read", nil)
}

// retryAfter reads the header of RFC 9110, seconds or a date; it is at least a
// second and at most an hour.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text, wait := h.Get("Retry-After"), usualPause
	if n, err := strconv.Atoi(text); err == nil {
		wait = time.Duration(min(n, 3600)) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		wait = at.Sub(now)
	}
	return min(max(wait, time.Second), time.Hour)
}
