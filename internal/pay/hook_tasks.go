package pay

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/jobs"
)

type webhookArgs struct {
	Source string `json:"source"`
	Event  string `json:"event_id"`
}

// Its tries are for faults of ours; an event that comes early is released meanwhile.
var webhookKind = jobs.Kind[webhookArgs]{
	Name: "pay:webhook", Queue: "pay", Tries: 12,
	Backoff: jobs.Exponential(time.Second, 10*time.Minute), Timeout: 10 * time.Second,
	Unique: func(a webhookArgs) string { return a.Source + ":" + a.Event },
	Tags:   func(a webhookArgs) []string { return []string{"webhook:" + a.Source} },
}

// earlyFor is how long an event waits for the payment that it is about: its row is
// there before the gateway is asked, the hold's name in it soon after the answer.
const (
	earlyFor  = time.Hour
	earlyMost = 10 * time.Minute // between two looks
)

// errEarly says that an event speaks of what we do not know yet.
var errEarly = errors.New("it is about a hold that is not known here yet")

func (s *Service) handleEvent(ctx context.Context, a *jobs.Attempt, args webhookArgs) error {
	var e webhookEvent
	err := s.db.Read(ctx).Where("source = ? AND event_id = ?", args.Source, args.Event).Take(&e).Error
	if errors.Is(err, db.ErrNotFound) {
		return jobs.Skip("the event was pruned")
	}
	if err != nil {
		return err
	}
	var note string
	err = a.Done(ctx, func(tx *db.Tx) (err error) {
		if note, err = s.react(tx, e); err != nil {
			return err
		}
		_, err = tx.Change("UPDATE webhook_events SET handled_at = ?, note = ? WHERE source = ? AND event_id = ?",
			s.clock.Now(), note, e.Source, e.EventID)
		return err
	})
	if errors.Is(err, errEarly) {
		return s.later(ctx, e)
	}
	if err == nil {
		s.log.InfoContext(ctx, "webhook handled", slog.String("event_id", e.EventID), slog.String("event", e.Name),
			slog.String("key", e.IdemKey), slog.String("outcome", note))
	}
	return err
}

// later has an early event looked at again, until it has waited for so long that what
// it is about cannot be ours.
func (s *Service) later(ctx context.Context, e webhookEvent) error {
	// A hold that is pending and has ended already is told so now.
	err := s.db.Tx(ctx, func(tx *db.Tx) error {
		_, err := s.decided(tx, e.IdemKey)
		return err
	})
	if err != nil {
		return err
	}
	waited := s.clock.Now().Sub(e.ReceivedAt)
	if waited < earlyFor {
		return jobs.Release(min(max(waited, firstLook), earlyMost), errEarly.Error())
	}
	s.log.InfoContext(ctx, "a webhook is about no payment of ours", slog.String("event_id", e.EventID), slog.String("event", e.Name))
	return jobs.Skip("no payment of ours")
}

// react does what an event asks for and returns what that was.
func (s *Service) react(tx *db.Tx, e webhookEvent) (note string, err error) {
	switch e.Meaning {
	case HoldOver:
		return s.holdOver(tx, e)
	case Contest:
		return s.contested(tx, e)
	case Unasked:
		return s.unasked(tx, e)
	}
	return s.decided(tx, e.IdemKey)
}

// warn logs an event that someone should know of, once the transaction has committed.
func (s *Service) warn(tx *db.Tx, what string, e webhookEvent, also ...any) {
	ctx := context.WithoutCancel(tx.Statement.Context)
	tx.After(func() {
		s.log.WarnContext(ctx, what, append(also, slog.String("event_id", e.EventID), slog.String("event", e.Name), slog.String("key", e.IdemKey), slog.String("ref", e.Ref))...)
	})
}

// decided has whoever waits for a command's outcome ask the gateway again: what the
// event says of it is not taken for granted. A command for which nobody waits has been
// answered already, or is being asked at this moment and answered then.
func (s *Service) decided(tx *db.Tx, key string) (note string, err error) {
	var w gatewayWait
	err = tx.Where("idem_key = ?", key).Take(&w).Error
	if errors.Is(err, db.ErrNotFound) {
		return "nobody waits for it", nil
	}
	if err != nil {
		return "", err
	}
	// Voids and refunds are single jobs, which no subject finds; of two, the later has nothing to do.
	switch verb, order, _ := strings.Cut(key, ":"); verb {
	case "void":
		return "woken", s.queue.Dispatch(tx, Void(w.SubjectID))
	case "refund":
		return "woken", s.queue.Dispatch(tx, Refund(w.SubjectID))
	case "capture":
		// Once it is over, its flow waits for the end of disputes, which must not come sooner.
		if waits, err := captureWaits(tx, order); err != nil || !waits {
			return "nobody waits for it any more", err
		}
	}
	n, err := s.queue.WakeIn(tx, w.SubjectID)
	if err != nil || n > 0 {
		return "woken", err
	}
	return "nobody waits for it any more", nil
}

// captureWaits reports whether the capture of an order's hold is not over, and keeps it so
// until the transaction ends.
func captureWaits(tx *db.Tx, order string) (bool, error) {
	id, err := uuid.Parse(order)
	if err != nil {
		return false, err
	}
	p, err := lock(tx, id)
	return p.Status == Held, err
}

// holdOver records that the gateway has let go of a hold. Where the ride goes on, what
// it costs will be owed.
func (s *Service) holdOver(tx *db.Tx, e webhookEvent) (note string, err error) {
	p, err := s.about(tx, e)
	switch {
	case err != nil:
		return "", err
	case p.Status == None && p.ClosedAt == nil:
		return "", errEarly
	case p.Status != Held:
		return "late: the payment is " + string(p.Status), nil
	}
	now := s.clock.Now()
	if err := change(tx, p, Lapsed, now, "lapsed_at = ?", now); err != nil {
		return "", err
	}
	s.warn(tx, "the gateway has let go of a hold: what the order costs will be owed", e, slog.String("order_id", p.OrderID.String()))
	return "lapsed", post(tx, "lapse:"+p.OrderID.String(), now, released(p))
}

// contested writes down that a charge is contested. The gateway decides that with the
// bank; nothing is moved here.
func (s *Service) contested(tx *db.Tx, e webhookEvent) (note string, err error) {
	p, err := s.about(tx, e)
	if err != nil {
		return "", err
	}
	n, err := tx.Change("UPDATE payments SET contested_at = ? WHERE order_id = ? AND contested_at IS NULL", s.clock.Now(), p.OrderID)
	if err != nil || n == 0 {
		return "written down before", err
	}
	s.warn(tx, "a charge is contested: answer it at the gateway", e, slog.String("order_id", p.OrderID.String()))
	return "written down", nil
}

// unasked tells of a refund that failed after all, or was made by hand: the books do not
// follow it.
func (s *Service) unasked(tx *db.Tx, e webhookEvent) (note string, err error) {
	p, err := s.about(tx, e)
	if err != nil {
		return "", err
	}
	s.warn(tx, "money went another way at the gateway than it was asked to: the books do not follow", e, slog.String("order_id", p.OrderID.String()))
	return s.decided(tx, e.IdemKey)
}

// about returns the payment that an event is about, with its row locked. It is found by the
// name of its hold, or by the key under which that was asked for; errEarly says that it is not.
func (s *Service) about(tx *db.Tx, e webhookEvent) (Payment, error) {
	_, text, _ := strings.Cut(e.IdemKey, ":")
	order, err := uuid.Parse(text)
	if err != nil && e.Ref != "" {
		var p Payment
		err = tx.Where("hold_ref = ?", e.Ref).Take(&p).Error
		order = p.OrderID
		if err != nil && !errors.Is(err, db.ErrNotFound) {
			return Payment{}, err
		}
	}
	if err != nil {
		return Payment{}, errEarly
	}
	p, err := lock(tx, order)
	if errors.Is(err, ErrNotFound) {
		err = errEarly
	}
	return p, err
}

// keepEvents is how long events and waits are remembered; gateways repeat an event
// for days.
const keepEvents = 60 * 24 * time.Hour

var pruneKind = jobs.Kind[struct{}]{
	Name: "pay:prune_events", Queue: "low", Tries: 3, Backoff: jobs.Fixed(time.Minute), Timeout: 5 * time.Minute,
}

// Pruning says when old events are deleted.
func (s *Service) Pruning() jobs.Periodic {
	return jobs.Periodic{Every: time.Hour, Job: jobs.Same(pruneKind.New(struct{}{}))}
}

func (s *Service) prune(ctx context.Context, _ *jobs.Attempt, _ struct{}) error {
	before := s.clock.Now().Add(-keepEvents)
	return s.db.Tx(ctx, func(tx *db.Tx) error {
		if _, err := tx.Change("DELETE FROM webhook_events WHERE received_at < ?", before); err != nil {
			return err
		}
		_, err := tx.Change("DELETE FROM gateway_waits WHERE since < ?", before)
		return err
	})
}
