package notify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/jobs"
)

type sendArgs struct {
	Order uuid.UUID `json:"order_id"`
	Event Event     `json:"event"`
	To    Audience  `json:"to"`
}

type smsArgs struct {
	Notice uuid.UUID `json:"notice_id"`
	User   uuid.UUID `json:"user_id"`
}

type codeArgs struct {
	User    uuid.UUID `json:"user_id"`
	Code    string    `json:"code"`
	Expires time.Time `json:"expires_at"`
}

var sendKind = jobs.Kind[sendArgs]{
	Name: "notify:send", Queue: "notify", Tries: 8,
	Backoff: jobs.Exponential(time.Second, time.Minute), Timeout: 10 * time.Second,
}

var smsKind = jobs.Kind[smsArgs]{
	Name: "notify:sms", Queue: "sms", Tries: 8,
	Backoff: jobs.Exponential(2*time.Second, 5*time.Minute), Timeout: 15 * time.Second,
}

// A code lives for minutes, so its SMS is tried again soon or not at all.
var codeKind = jobs.Kind[codeArgs]{
	Name: "notify:code", Queue: "sms", Tries: 8,
	Backoff: jobs.Exponential(time.Second, 30*time.Second), Timeout: 15 * time.Second, Sealed: true,
}

// Rider returns the job that tells the order's rider of an event.
func Rider(order uuid.UUID, ev Event) jobs.Job { return sendKind.New(sendArgs{order, ev, ToRider}) }

// Driver returns the job that tells the driver of the order's trip of an event,
// and nobody when the order has no trip.
func Driver(order uuid.UUID, ev Event) jobs.Job { return sendKind.New(sendArgs{order, ev, ToDriver}) }

// Others returns the job that tells the riders of the same car's other orders of an event.
func Others(order uuid.UUID, ev Event) jobs.Job { return sendKind.New(sendArgs{order, ev, ToOthers}) }

// Code returns the job that sends a sign-in code by SMS. It is dropped when it
// does not get its turn before the code expires.
func Code(user uuid.UUID, code string, expires time.Time) jobs.Job {
	return codeKind.New(codeArgs{user, code, expires})
}

// Register attaches the handlers of this package's jobs.
func (s *Service) Register(r *jobs.Registry) {
	jobs.Handle(r, sendKind, s.send)
	jobs.Handle(r, smsKind, s.sms, jobs.RateLimit(s.deps.Limiter,
		func(ctx context.Context, args smsArgs) ([]jobs.Window, error) { return s.smsWindows(ctx, args.User) }))
	jobs.Handle(r, codeKind, s.code, jobs.RateLimit(s.deps.Limiter, s.codeWindows))
}

func (s *Service) send(ctx context.Context, a *jobs.Attempt, args sendArgs) error {
	ride, err := s.deps.Rides.Ride(ctx, args.Order)
	if err != nil {
		return err
	}
	to := ride.recipients(args.To)
	if len(to) == 0 {
		return nil
	}
	return a.Done(ctx, func(tx *db.Tx) error { return s.tell(ctx, tx, ride, args, to) })
}

// tell writes a notice to everyone in to, and asks for the SMS and the live
// hint that go with each notice that is new.
func (s *Service) tell(ctx context.Context, tx *db.Tx, ride Ride, args sendArgs, to []uuid.UUID) error {
	text := ride.words(args.Event, args.To, s.deps.Zone)
	var texts []jobs.Job
	for _, user := range to {
		n := Notice{
			ID: uuid.Must(uuid.NewV7()), UserID: user, Event: args.Event, OrderID: args.Order,
			Text: text, CreatedAt: s.deps.Clock.Now(),
		}
		fresh, err := insert(tx, &n)
		if err != nil {
			return err
		}
		if !fresh {
			continue
		}
		tx.After(func() { s.deps.Hub.Publish(ctx, UserTopic(user)) })
		if texted(args.Event, args.To) {
			texts = append(texts, smsKind.New(smsArgs{n.ID, user}))
		}
	}
	return s.deps.Jobs.Dispatch(tx, texts...)
}

func (s *Service) sms(ctx context.Context, a *jobs.Attempt, args smsArgs) error {
	n, err := s.notice(ctx, args.Notice)
	if errors.Is(err, db.ErrNotFound) {
		return jobs.Fail(err)
	}
	if err != nil {
		return err
	}
	return s.text(ctx, a.Key(), args.User, n.Text)
}

func (s *Service) code(ctx context.Context, a *jobs.Attempt, args codeArgs) error {
	if s.late(args) {
		return nil
	}
	return s.text(ctx, a.Key(), args.User, fmt.Sprintf("%s is your Spotpool sign-in code.", args.Code))
}

// codeWindows lets a code that is too late pass the limits, so that it is
// dropped now and costs the number nothing.
func (s *Service) codeWindows(ctx context.Context, args codeArgs) ([]jobs.Window, error) {
	if s.late(args) {
		return nil, nil
	}
	return s.smsWindows(ctx, args.User)
}

func (s *Service) late(args codeArgs) bool { return !s.deps.Clock.Now().Before(args.Expires) }

func (s *Service) text(ctx context.Context, key string, user uuid.UUID, text string) error {
	phone, err := s.deps.Phones.Phone(ctx, user)
	if err != nil {
		return err
	}
	return s.deps.Texter.Text(ctx, key, phone, text)
}
