// Package sim acts the people around Spotpool: a synthetic city whose drivers
// and riders use the HTTP API, and recorded rides that are replayed through it.
// It knows the server only by that API.
package sim

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/clock"
)

const (
	tryTimeout  = 10 * time.Second // one HTTP exchange
	patience    = 30 * time.Second // one call with all its tries
	maxAnswer   = 16 << 20         // bytes read of one answer
	firstPause  = 100 * time.Millisecond
	longestWait = 5 * time.Second
)

// Tokens returns the bearer tokens of n people with a role: "rider", "driver"
// or "operator". The same role and n give the same people, with fresh tokens.
type Tokens func(ctx context.Context, role string, n int) ([]string, error)

// Client calls the API as one person. It is a value, safe for concurrent use;
// As gives the client of somebody else over the same connections.
//
// A call that meets a silent server, a 5xx or an answer with Retry-After is
// tried again, under the same Idempotency-Key, until its patience is over. So
// a server may be restarted in the middle of a run and nothing is sent twice.
type Client struct {
	base     string
	token    string
	http     *http.Client
	patience time.Duration
	retried  func(error) // nil: nobody wants to know
}

// NewClient returns a client without a token of the server at base, for
// example "http://127.0.0.1:8080". A nil transport means one that keeps many
// connections to the one server open.
func NewClient(base string, transport http.RoundTripper) Client {
	if transport == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.MaxIdleConns, t.MaxIdleConnsPerHost = 0, 1024
		transport = t
	}
	return Client{
		base:     strings.TrimRight(base, "/"),
		http:     &http.Client{Transport: transport, Timeout: tryTimeout},
		patience: patience,
	}
}

// As returns the client of whoever holds token.
func (c Client) As(token string) Client {
	c.token = token
	return c
}

// Within returns a client whose calls, with all their tries, take at most d.
func (c Client) Within(d time.Duration) Client {
	c.patience = d
	return c
}

// Telling returns a client that calls retried, maybe from several goroutines,
// with the error of each try that it repeats.
func (c Client) Telling(retried func(error)) Client {
	c.retried = retried
	return c
}

// Close closes the connections that are idle.
func (c Client) Close() { c.http.CloseIdleConnections() }

// Problem is an answer that is not a success (RFC 9457).
type Problem struct {
	Status     int           `json:"-"`
	Code       string        `json:"code"` // stable; "http_502" when the answer named none
	Detail     string        `json:"detail"`
	RetryAfter time.Duration `json:"-"` // 0 when the server did not say
}

func (p *Problem) Error() string {
	return fmt.Sprintf("server answered %d %s: %s", p.Status, p.Code, p.Detail)
}

// CodeOf returns the code of the problem in err, "unreachable" when there was no answer.
func CodeOf(err error) string {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p.Code
	}
	return "unreachable"
}

// statusOf returns the HTTP status of the problem in err, 0 when there is none.
func statusOf(err error) int {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p.Status
	}
	return 0
}

// do sends in as JSON and reads the answer into out; either may be nil.
// When patience runs out it returns the error of the last whole try.
func (c Client) do(ctx context.Context, method, path string, in, out any) error {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return fmt.Errorf("sim: request of %s: %w", path, err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, c.patience)
	defer cancel()
	key := uuid.NewString()
	var last error
	for try := 0; ; try++ {
		err := c.try(ctx, method, path, key, body, out)
		if err != nil && last != nil && ctx.Err() != nil {
			return last
		}
		wait, again := retry(err, try)
		if !again || pause(ctx, wait) != nil {
			return err
		}
		if c.retried != nil {
			c.retried(err)
		}
		last = err
	}
}

// try makes one exchange.
func (c Client) try(ctx context.Context, method, path, key string, body []byte, out any) error {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if method == http.MethodPost {
		req.Header.Set("Idempotency-Key", key)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return err
	}
	if res.StatusCode >= 300 {
		return problem(res, answer)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return &Problem{Status: res.StatusCode, Code: "unreadable_answer", Detail: err.Error()}
	}
	return nil
}

// problem reads an answer that is not a success, whatever its form.
func problem(res *http.Response, answer []byte) *Problem {
	p := &Problem{}
	if json.Unmarshal(answer, p) != nil || p.Code == "" {
		p.Code = fmt.Sprintf("http_%d", res.StatusCode)
	}
	p.Status = res.StatusCode
	if s, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && s > 0 {
		p.RetryAfter = time.Duration(s) * time.Second
	}
	return p
}

// retry says whether a call whose try-th try (from 0) ended with err is worth
// another, and after which wait: as the server says, else doubling with jitter.
func retry(err error, try int) (time.Duration, bool) {
	if err == nil {
		return 0, false
	}
	if p, ok := errors.AsType[*Problem](err); ok {
		if p.RetryAfter > 0 {
			return p.RetryAfter, true
		}
		if p.Status < 500 {
			return 0, false
		}
	}
	wait := min(firstPause<<min(try, 10), longestWait)
	return wait/2 + rand.N(wait/2), true
}

// wait waits until a clock has gone on by d, or ctx ends; then it returns ctx's error.
func wait(ctx context.Context, c clock.Clock, d time.Duration) error {
	return pause(ctx, clock.Wall(c, d))
}

// pause waits for d of the wall's time, or less when ctx ends; then it returns ctx's error.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
