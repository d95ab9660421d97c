package notify

import (
	"context"
	"log/slog"
	"strings"
)

// Texter sends SMS. A call that is repeated with the same key sends nothing more.
type Texter interface {
	Text(ctx context.Context, key, phone, text string) error
}

// LogTexter writes messages to the log instead of sending them, with the number
// masked. It shows sign-in codes: for development only.
type LogTexter struct{ Log *slog.Logger }

// Text implements Texter.
func (t LogTexter) Text(ctx context.Context, key, phone, text string) error {
	t.Log.InfoContext(ctx, "sms", "key", key, "to", mask(phone), "text", text)
	return nil
}

// mask hides the middle of a phone number: +86138****8000.
func mask(phone string) string {
	const hidden, tail = 4, 4
	start := max(0, len(phone)-hidden-tail)
	end := min(start+hidden, len(phone))
	return phone[:start] + strings.Repeat("*", end-start) + phone[end:]
}
