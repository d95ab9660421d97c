// Package paytest is a payment gateway on the loopback for tests, which keeps to the
// signed protocol of docs/payments.md. It is written from that text and shares nothing
// with the adapter.
package paytest

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Gateway keeps what is held, and what was moved, under each key.
type Gateway struct {
	URL string
	Now func() time.Time // by which webhooks are signed

	t        testing.TB
	secret   string
	server   *httptest.Server
	http     *http.Client
	mu       sync.Mutex
	holds    map[string]*hold // by the key under which they were made
	moved    map[string]int64 // by key: taken is positive, sent is negative
	outcomes map[string]int   // by key: the status that was answered, or 202
	commands map[string]Command
	events   int

	// What happens to calls; change it between them.
	mode Mode
	hook string
}

// Command is what the gateway is told to do.
type Command struct {
	Command  string `json:"command"`
	Key      string `json:"key"`
	HoldKey  string `json:"hold_key"`
	Ref      string `json:"ref"`
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"`
	Customer string `json:"customer"`
	Method   string `json:"payment_method"`
	Driver   string `json:"driver"`
	Account  string `json:"payout_account"`
}

type hold struct {
	amount int64
	state  string // held, voided, captured
}

// Mode is how the gateway treats what it is told.
type Mode int

// The modes.
const (
	Well     Mode = iota // does it and says so
	Out                  // answers 503 and does nothing
	Lost                 // does it and breaks off
	Declines             // holds and captures nothing
	Later                // answers 202; Decide says what becomes of it
	Early                // answers 202 after a webhook has said that it is done, twice
)

// New returns a gateway that shares a secret with its client.
func New(t testing.TB, secret string) *Gateway {
	g := &Gateway{
		Now: time.Now, t: t, secret: secret, http: &http.Client{Timeout: 30 * time.Second},
		holds: map[string]*hold{}, moved: map[string]int64{}, outcomes: map[string]int{}, commands: map[string]Command{},
	}
	g.server = httptest.NewServer(http.HandlerFunc(g.serve))
	g.URL = g.server.URL + "/commands"
	t.Cleanup(func() {
		g.server.Close()
		g.http.CloseIdleConnections()
	})
	return g
}

// Set changes how the gateway treats what it is told from now on.
func (g *Gateway) Set(m Mode) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mode = m
}

// Tell has webhooks sent to an address.
func (g *Gateway) Tell(address string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.hook = address
}

// Held returns how much is held.
func (g *Gateway) Held() (sum int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, h := range g.holds {
		if h.state == "held" {
			sum += h.amount
		}
	}
	return sum
}

// Cash returns what was taken less what was given back and paid out.
func (g *Gateway) Cash() (sum int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, n := range g.moved {
		sum += n
	}
	return sum
}

// Saw returns the newest command under a key.
func (g *Gateway) Saw(key string) (Command, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	c, ok := g.commands[key]
	return c, ok
}

// Pending returns the keys of the commands that were answered 202 and are not decided.
func (g *Gateway) Pending() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	var keys []string
	for key, status := range g.outcomes {
		if status == http.StatusAccepted {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// Decide says what becomes of a command that was answered 202, and tells it by webhook.
func (g *Gateway) Decide(key string, done bool) {
	g.mu.Lock()
	c, how := g.commands[key], "done"
	if done {
		g.outcomes[key] = g.carryOut(c)
	} else {
		g.outcomes[key], how = g.decline(c), "declined"
	}
	e := g.event(c.Command+"."+how, key)
	g.mu.Unlock()
	g.Send(e)
}

// Release lets go of a hold as a gateway does when nobody captures it, and tells so.
func (g *Gateway) Release(holdKey string) {
	g.mu.Lock()
	g.holds[holdKey].state = "voided"
	e := g.event("hold.over", holdKey)
	g.mu.Unlock()
	g.Send(e)
}

func (g *Gateway) event(kind, key string) map[string]any {
	g.events++
	return map[string]any{"id": fmt.Sprintf("evt-%d", g.events), "type": kind, "key": key, "created": g.Now().Unix()}
}

// Send sends a webhook, as the gateway signs it, and returns the answer's status, or 0
// when webhooks go nowhere.
func (g *Gateway) Send(event map[string]any) int {
	g.mu.Lock()
	address := g.hook
	g.mu.Unlock()
	if address == "" {
		return 0
	}
	body, err := json.Marshal(event)
	if err != nil {
		panic(err)
	}
	req, err := http.NewRequest(http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		panic(err)
	}
	req.Header.Set("Spotpool-Signature", Signature(body, g.secret, g.Now()))
	res, err := g.http.Do(req)
	if err != nil {
		g.t.Errorf("webhook: %v", err)
		return 0
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		g.t.Errorf("webhook %s was answered %d", body, res.StatusCode)
	}
	return res.StatusCode
}

// Signature returns the header's value for a body.
func Signature(body []byte, secret string, at time.Time) string {
	m := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(m, "%d.%s", at.Unix(), body)
	return fmt.Sprintf("t=%d,v1=%s", at.Unix(), hex.EncodeToString(m.Sum(nil)))
}

func (g *Gateway) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var c Command
	if err != nil || json.Unmarshal(body, &c) != nil || r.Header.Get("Idempotency-Key") != c.Key || !g.signed(r, body) {
		http.Error(w, `{"code":"unauthorized"}`, http.StatusUnauthorized)
		return
	}
	status, early := g.take(c)
	if early != nil {
		for range 2 {
			g.Send(early)
		}
	}
	if status == 0 {
		panic(http.ErrAbortHandler) // breaks the connection off
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"ref":%q,"code":%q}`, "h-"+c.Key, codes[status])
}

var codes = map[int]string{402: "no_funds", 409: "taken", 422: "amount_above_hold"}

func (g *Gateway) signed(r *http.Request, body []byte) bool {
	header := r.Header.Get("Spotpool-Signature")
	t, _, _ := strings.Cut(strings.TrimPrefix(header, "t="), ",")
	n, err := strconv.ParseInt(t, 10, 64)
	return err == nil && header == Signature(body, g.secret, time.Unix(n, 0))
}

// take carries a command out, or not, and returns the answer's status, 0 for none.
func (g *Gateway) take(c Command) (status int, early map[string]any) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.mode == Out {
		return http.StatusServiceUnavailable, nil
	}
	if before, repeated := g.outcomes[c.Key]; repeated {
		return before, nil
	}
	g.commands[c.Key] = c
	moves := c.Command == "hold" || c.Command == "capture"
	switch {
	case g.mode == Declines && moves:
		status = g.decline(c)
	case g.mode == Later:
		status = http.StatusAccepted
	case g.mode == Early:
		g.outcomes[c.Key] = g.carryOut(c)
		return http.StatusAccepted, g.event(c.Command+".done", c.Key)
	default:
		status = g.carryOut(c)
	}
	g.outcomes[c.Key] = status
	if g.mode == Lost {
		return 0, nil
	}
	return status, nil
}

// decline ends the hold of a capture: nothing can be taken of it any more.
func (g *Gateway) decline(c Command) int {
	if h := g.holds[strings.TrimPrefix(c.Ref, "h-")]; c.Command == "capture" && h != nil {
		h.state = "voided"
	}
	return http.StatusPaymentRequired
}

// carryOut does what a command says and returns the status that says so.
func (g *Gateway) carryOut(c Command) int {
	key := c.HoldKey
	if key == "" {
		key = strings.TrimPrefix(c.Ref, "h-")
	}
	h := g.holds[key]
	switch c.Command {
	case "hold":
		if g.holds[c.Key] != nil { // voided before it came
			return http.StatusPaymentRequired
		}
		g.holds[c.Key] = &hold{c.Amount, "held"}
	case "void":
		if h != nil && h.state == "captured" {
			return http.StatusConflict
		}
		g.holds[key] = &hold{0, "voided"}
	case "capture":
		switch {
		case h == nil || h.state != "held":
			return http.StatusPaymentRequired
		case c.Amount > h.amount:
			return http.StatusUnprocessableEntity
		}
		h.state = "captured"
		g.moved[c.Key] = c.Amount
	case "refund":
		if h == nil || h.state != "captured" {
			return http.StatusConflict
		}
		g.moved[c.Key] = -c.Amount
	case "payout":
		g.moved[c.Key] = -c.Amount
	}
	return http.StatusOK
}
