package notify

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spotpool/spotpool/internal/clock"
)

// TwilioConfig is an account with Twilio.
type TwilioConfig struct {
	Endpoint string // a URL without a path
	Account  string // its SID, AC…
	Token    string
	From     string // a number of the account, or the SID of a messaging service, MG…
}

// Twilio sends SMS by the resource Messages of Twilio's API of 2010-04-01.
//
// Twilio has no idempotency key, and a message takes no name. One that is sent
// again is looked for among the latest to its number: the same text within the hour.
type Twilio struct {
	*wire
	config TwilioConfig
	url    string
}

// NewTwilio returns an adapter for an account. It does no I/O.
func NewTwilio(c TwilioConfig, clk clock.Clock) (*Twilio, error) {
	at, err := url.Parse(c.Endpoint)
	if err != nil || at.Host == "" {
		return nil, fmt.Errorf("the endpoint of Twilio must be like https://api.twilio.com, not %q", c.Endpoint)
	}
	return &Twilio{newWire("twilio", clk), c, at.JoinPath("2010-04-01", "Accounts", c.Account, "Messages.json").String()}, nil
}

// Text implements Texter.
func (p *Twilio) Text(ctx context.Context, m SMS) error {
	if m.Again {
		if sent, err := p.sent(ctx, m); sent || err != nil && !notTold(err) {
			return err
		}
	}
	form := url.Values{"To": {m.Phone}, "Body": {m.Text}}
	if strings.HasPrefix(p.config.From, "MG") {
		form.Set("MessagingServiceSid", p.config.From)
	} else {
		form.Set("From", p.config.From)
	}
	return p.ask(ctx, http.MethodPost, p.url, form, nil)
}

// sent reports whether Twilio has taken the same text to the same number lately.
func (p *Twilio) sent(ctx context.Context, m SMS) (bool, error) {
	var page struct {
		Messages []struct {
			Body    string `json:"body"`
			Created string `json:"date_created"` // RFC 2822
		} `json:"messages"`
	}
	latest := url.Values{"To": {m.Phone}, "PageSize": {"50"}}
	if err := p.ask(ctx, http.MethodGet, p.url+"?"+latest.Encode(), nil, &page); err != nil {
		return false, err
	}
	since := p.clock.Now().Add(-lookBack)
	for _, one := range page.Messages {
		if at, err := time.Parse(time.RFC1123Z, one.Created); err == nil && at.After(since) && one.Body == m.Text {
			return true, nil
		}
	}
	return false, nil
}

// ask sends a request and reads the answer into out, unless that is nil.
func (p *Twilio) ask(ctx context.Context, method, address string, form url.Values, out any) error {
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(form.Encode()))
	if err != nil {
		return p.unavailable("its address is wrong", nil)
	}
	req.SetBasicAuth(p.config.Account, p.config.Token)
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := p.do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	switch {
	case res.StatusCode >= http.StatusBadRequest:
		return p.judge(res)
	case out == nil:
		_, _ = io.Copy(io.Discard, res.Body) // so that the connection can be used again
	case json.NewDecoder(res.Body).Decode(out) != nil:
		return p.lost(ctx)
	}
	return nil
}

// judge returns the error that a refusal stands for. What it says in words may hold
// the number; its code says enough.
func (p *Twilio) judge(res *http.Response) error {
	var said struct {
		Code int `json:"code"`
	}
	if json.NewDecoder(res.Body).Decode(&said) != nil || said.Code == 0 {
		return p.refusal(outOfOrder, strconv.Itoa(res.StatusCode), 0)
	}
	return p.refusal(twilioVerdicts[said.Code], strconv.Itoa(said.Code), retryAfter(res.Header, p.clock.Now()))
}

// twilioVerdicts are the codes that speak of the message, the number or the pace.
// Others speak of Twilio, or of our account with it.
var twilioVerdicts = map[int]verdict{
	20429: busy,        // too many requests
	21611: busy,        // too many messages wait to be sent
	21211: unreachable, // not a number
	21217: unreachable, // seems not to be a number
	21265: unreachable, // a short code
	21408: unreachable, // a country that the account does not send to
	21612: unreachable, // not from this sender
	21614: unreachable, // not a mobile number
	21635: unreachable, // a landline
	21610: blocked,     // has answered STOP
	21617: rejected,    // too long
}
