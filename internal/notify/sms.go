package notify

import (
	"context"
	"log/slog"
	"strings"

	"github.com/spotpool/spotpool/internal/fault"
	"github.com/spotpool/spotpool/internal/mishap"
)

// SMS is one message to one number.
type SMS struct {
	Key   string // names the message, the same in every attempt
	Phone string // in E.164 form
	Text  string
	Code  string // the sign-in code that Text tells, empty for a notice
	Again bool   // whether an attempt before this one may have sent it
}

// Texter sends SMS. As far as its provider lets it, a message that is sent again
// within an hour is not sent twice.
//
// Text returns nil once the provider has taken the message; a release where it
// asks for time, having taken nothing; and what jobs.Fail returns, around the
// fault "sms_number_invalid", "sms_blocked" or "sms_rejected", where it never
// will. Any other error may pass, and the message may have been sent all the same.
// No error tells the number.
type Texter interface {
	Text(ctx context.Context, m SMS) error
}

// Provider is who sends SMS, under the name by which metrics call it.
type Provider struct {
	Name   string
	Texter Texter
}

// LogTexter writes messages to the log instead of sending them, with the number
// masked. It shows sign-in codes: for development only.
type LogTexter struct {
	Log     *slog.Logger
	Mishaps *mishap.Lot // nil: nothing goes wrong
}

// Text implements Texter.
func (t LogTexter) Text(ctx context.Context, m SMS) error {
	return t.Mishaps.Call(errLogOutage, func() error {
		t.Log.InfoContext(ctx, "sms", "key", m.Key, "to", mask(m.Phone), "text", m.Text)
		return nil
	})
}

var errLogOutage = fault.New(fault.Unavailable, "sms_unavailable", "log is out of order: no answer")

// mask hides the middle of a phone number: +86138****8000.
func mask(phone string) string {
	const hidden, tail = 4, 4
	start := max(0, len(phone)-hidden-tail)
	end := min(start+hidden, len(phone))
	return phone[:start] + strings.Repeat("*", end-start) + phone[end:]
}
