package pay

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/money"
)

// Signed is a gateway behind any HTTP service that keeps to the protocol of
// docs/payments.md: signed commands go out, signed webhooks come in.
type Signed struct {
	url    string
	secret string
	clock  clock.Clock
	http   *http.Client
}

// callTimeout bounds one request to a gateway: two of them fit into a job's time.
const callTimeout = 7 * time.Second

// maxAnswer is how much of a gateway's answer is read, in bytes.
const maxAnswer = 64 << 10

// NewSigned returns an adapter for the service at an address. It does no I/O.
func NewSigned(address, secret string, clk clock.Clock) (*Signed, error) {
	at, err := url.Parse(address)
	if err != nil || at.Host == "" || at.Scheme != "http" && at.Scheme != "https" {
		return nil, errors.New("the payment gateway's address must be like https://pay.example.com/commands")
	}
	return &Signed{address, secret, clk, newHTTPClient()}, nil
}

// newHTTPClient returns a client for calls to a gateway. It follows no redirects: what
// is signed is meant for one address.
func newHTTPClient() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 16
	return &http.Client{
		Transport: transport, Timeout: callTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// command is what a gateway is told to do.
type command struct {
	Command  string       `json:"command"`
	Key      string       `json:"key"`
	HoldKey  string       `json:"hold_key,omitempty"`
	Ref      string       `json:"ref,omitempty"`
	Amount   money.Amount `json:"amount,omitempty"`
	Currency string       `json:"currency,omitempty"`
	Customer string       `json:"customer,omitempty"`
	Method   string       `json:"payment_method,omitempty"`
	Driver   string       `json:"driver,omitempty"`
	Account  string       `json:"payout_account,omitempty"`
}

// Hold implements Gateway.
func (g *Signed) Hold(ctx context.Context, r Reservation) (string, error) {
	ref, err := g.send(ctx, command{Command: "hold", Key: r.Key, Amount: r.Amount, Currency: money.Currency, Customer: r.Payer.Customer, Method: r.Payer.Method})
	if err == nil && (ref == "" || !goodName.MatchString(ref)) {
		return "", refused("its name for the hold is none")
	}
	return ref, err
}

// Void implements Gateway.
func (g *Signed) Void(ctx context.Context, key string, r Reservation, ref string) error {
	_, err := g.send(ctx, command{Command: "void", Key: key, HoldKey: r.Key, Ref: ref})
	return err
}

// Capture implements Gateway.
func (g *Signed) Capture(ctx context.Context, key, ref string, amount money.Amount) error {
	_, err := g.send(ctx, command{Command: "capture", Key: key, Ref: ref, Amount: amount, Currency: money.Currency})
	return err
}

// Refund implements Gateway.
func (g *Signed) Refund(ctx context.Context, key, ref string, amount money.Amount) error {
	_, err := g.send(ctx, command{Command: "refund", Key: key, Ref: ref, Amount: amount, Currency: money.Currency})
	return err
}

// Payout implements Gateway.
func (g *Signed) Payout(ctx context.Context, r Remittance) error {
	_, err := g.send(ctx, command{Command: "payout", Key: r.Key, Amount: r.Amount, Currency: money.Currency, Driver: r.Driver.String(), Account: r.Account})
	return err
}

// send gives the service a command and returns its name for the hold, if it says one.
func (g *Signed) send(ctx context.Context, c command) (ref string, err error) {
	body, err := json.Marshal(c)
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.url, bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", c.Key)
	Sign(req.Header, body, g.secret, g.clock.Now())
	res, err := g.http.Do(req)
	if err != nil {
		var named *url.Error
		if errors.As(err, &named) {
			err = named.Err // without the address, which may hold a password
		}
		return "", unavailable("cannot be reached", err)
	}
	defer func() { _ = res.Body.Close() }()
	var said struct {
		Ref  string `json:"ref"`
		Code string `json:"code"`
	}
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err == nil && len(raw) > 0 {
		err = json.Unmarshal(raw, &said)
	}
	if err != nil && res.StatusCode == http.StatusOK && c.Command == "hold" { // of the others, the status says all
		return "", unavailable("gives an answer that cannot be read", err)
	}
	return said.Ref, judge(res.StatusCode, said.Code)
}

var goodCode = regexp.MustCompile(`^[a-z0-9_]{1,64}$`)

// judge returns what an answer's status means.
func judge(status int, code string) error {
	if !goodCode.MatchString(code) { // it goes into logs
		code = strconv.Itoa(status)
	}
	switch {
	case status == http.StatusOK:
		return nil
	case status == http.StatusAccepted:
		return ErrPending
	case status == http.StatusPaymentRequired:
		return declined(code)
	case status == http.StatusConflict:
		return fmt.Errorf("%w (%s)", ErrClosed, code)
	case status == http.StatusUnprocessableEntity && code == ErrAboveHold.Code:
		return ErrAboveHold
	case status >= 400 && status < 500 && status != http.StatusTooManyRequests && status != http.StatusRequestTimeout:
		return refused(code)
	}
	return unavailable("answers "+strconv.Itoa(status), nil)
}

// Read implements Hook.
func (g *Signed) Read(h http.Header, body []byte) (Event, error) {
	if err := Verify(h, body, g.secret, g.clock.Now()); err != nil {
		return Event{}, err
	}
	var in struct {
		ID   string `json:"id"`
		Type string `json:"type"`
		Key  string `json:"key"`
		Ref  string `json:"ref"`
	}
	if json.Unmarshal(body, &in) != nil || in.ID == "" || in.Type == "" {
		return Event{}, ErrUnreadable
	}
	e := Event{EventID: in.ID, Meaning: Nothing, Name: in.Type, IdemKey: in.Key, Ref: in.Ref}
	verb, how, _ := strings.Cut(in.Type, ".")
	switch {
	case in.Type == "hold.over":
		e.Meaning = HoldOver
	case in.Type == "capture.contested":
		e.Meaning = Contest
	case slices.Contains([]string{"hold", "void", "capture", "refund", "payout"}, verb) && (how == "done" || how == "declined"):
		e.Meaning = Decided
		if !strings.HasPrefix(in.Key, verb+":") {
			return Event{}, ErrUnreadable
		}
	}
	if e.Meaning != Nothing && in.Key == "" && in.Ref == "" {
		return Event{}, ErrUnreadable
	}
	return e, nil
}
