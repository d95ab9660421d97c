package pay

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"time"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/fault"
)

// Hook reads the webhooks of a gateway.
type Hook interface {
	// Read returns what a webhook says. It returns ErrSignature unless the gateway
	// has signed it, ErrSignatureOld when that was minutes ago, or is to be in
	// minutes, and ErrUnreadable for one that is signed and makes no sense.
	Read(h http.Header, body []byte) (Event, error)
}

// The names under which webhooks come in.
const (
	StripeHook = "stripe"
	SignedHook = "pay"
)

// Meaning is what an event is to us.
type Meaning string

// The meanings.
const (
	Nothing  Meaning = "nothing"   // no concern of ours
	Decided  Meaning = "decided"   // the command under Key has come to an end, good or bad
	HoldOver Meaning = "hold_over" // a hold has ended without a command of ours
	Contest  Meaning = "contest"   // a rider's bank contests a charge
	Unasked  Meaning = "unasked"   // money went another way at the gateway than we asked for
)

// Event is one webhook, without what it says of people.
type Event struct {
	EventID string `gorm:"primaryKey"` // the gateway's own, the same however often it is sent
	Meaning Meaning
	Name    string // the gateway's own word for what happened
	IdemKey string // of the command it is about, if it says so
	Ref     string // the gateway's name for the hold it is about, if it says so
}

// webhookEvent is an event that was received.
type webhookEvent struct {
	Source string `gorm:"primaryKey"`
	Event  `gorm:"embedded"`

	ReceivedAt time.Time
	HandledAt  *time.Time
	Note       string // what was done about it
}

// TableName tells gorm where the rows live.
func (webhookEvent) TableName() string { return "webhook_events" }

// signedWithin is how far a signature's time may be from ours: who has caught a
// webhook can repeat it for so long, and its id makes that harmless.
const signedWithin = 5 * time.Minute

// Faults about webhooks.
var (
	// ErrSignature says that a webhook is not from the gateway.
	ErrSignature = fault.New(fault.Malformed, "webhook_signature_invalid", "the signature is missing or not the gateway's")
	// ErrSignatureOld says that a webhook was signed at another time than now.
	ErrSignatureOld = fault.New(fault.Malformed, "webhook_signature_old", "the signature's time is more than %d minutes from now", int(signedWithin.Minutes()))
	// ErrUnreadable says that a webhook is no event.
	ErrUnreadable = fault.New(fault.Malformed, "webhook_unreadable", "the body is not an event")
	// ErrNoHook says that no such gateway is in use.
	ErrNoHook = fault.New(fault.NotFound, "webhook_not_in_use", "this installation does not use the gateway that sends these webhooks")
)

// checkSignedAt refuses a signature of another time.
func checkSignedAt(at, now time.Time) error {
	if at.Before(now.Add(-signedWithin)) || at.After(now.Add(signedWithin)) {
		return ErrSignatureOld
	}
	return nil
}

// Receive takes a webhook in: once it returns nil, the event is kept, with a job that
// handles it, or is no concern of ours. An event that has come before is nothing new.
func (s *Service) Receive(ctx context.Context, source string, h http.Header, body []byte) error {
	hook, ok := s.hooks[source]
	if !ok {
		return ErrNoHook
	}
	e, err := hook.Read(h, body)
	if err != nil || e.Meaning == Nothing {
		return err
	}
	if !e.fits() {
		return ErrUnreadable
	}
	err = s.db.Tx(ctx, func(tx *db.Tx) error {
		if err := tx.Create(&webhookEvent{Source: source, Event: e, ReceivedAt: s.clock.Now()}).Error; err != nil {
			return err
		}
		return s.queue.Dispatch(tx, webhookKind.New(webhookArgs{source, e.EventID}))
	})
	if errors.Is(err, db.ErrDuplicate) {
		return nil
	}
	return err
}

// fits reports whether the event can be kept.
func (e Event) fits() bool {
	for _, text := range []string{e.EventID, e.Name, e.IdemKey, e.Ref} {
		if !goodName.MatchString(text) {
			return false
		}
	}
	return e.EventID != "" && len(e.Name) <= 64
}

// goodName is what gateways may call things.
var goodName = regexp.MustCompile(`^[!-~]{0,100}$`)
