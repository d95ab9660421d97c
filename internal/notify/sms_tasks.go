package notify

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/fault"
	"github.com/spotpool/spotpool/internal/jobs"
)

type smsArgs struct {
	Notice uuid.UUID `json:"notice_id"`
	User   uuid.UUID `json:"user_id"`
	At     time.Time `json:"at,omitzero"` // when what it tells of happens
}

type codeArgs struct {
	User    uuid.UUID `json:"user_id"`
	Code    string    `json:"code"`
	Expires time.Time `json:"expires_at"`
}

func userTag(id uuid.UUID) []string { return []string{"user:" + id.String()} }

// While the provider is out, the breaker holds messages back without an attempt.
// So five errors are the message's own, and only workers that die in the middle
// may bring it to more attempts.
const maxSMSErrors = 5

var smsKind = jobs.Kind[smsArgs]{
	Name: "notify:sms", Queue: "sms", Tries: 8, MaxExceptions: maxSMSErrors,
	Backoff: jobs.Exponential(2*time.Second, 5*time.Minute), Timeout: 15 * time.Second,
	DeleteWhenMissing: true,
	Tags:              func(a smsArgs) []string { return userTag(a.User) },
}

// A code lives for minutes, so its SMS is tried again soon or not at all.
var codeKind = jobs.Kind[codeArgs]{
	Name: "notify:code", Queue: "sms", Tries: 8, MaxExceptions: maxSMSErrors,
	Backoff: jobs.Exponential(time.Second, 30*time.Second), Timeout: 15 * time.Second, Sealed: true,
	DeleteWhenMissing: true,
	Tags:              func(a codeArgs) []string { return userTag(a.User) },
}

// Code returns the job that sends a sign-in code by SMS. It is dropped when it
// does not get its turn before the code expires.
func Code(user uuid.UUID, code string, expires time.Time) jobs.Job {
	return codeKind.New(codeArgs{user, code, expires})
}

func (s *Service) registerSMS(r *jobs.Registry) {
	jobs.Handle(r, smsKind, s.sms)
	jobs.OnFailed(r, smsKind, s.smsFailed)
	jobs.Handle(r, codeKind, s.code)
}

// sms sends the SMS of a notice, unless its receiver wants none or it has waited until
// it was no longer true.
func (s *Service) sms(ctx context.Context, a *jobs.Attempt, args smsArgs) error {
	n, err := s.notice(ctx, args.Notice)
	if err != nil {
		return err
	}
	people, err := s.deps.People.Contacts(ctx, args.User)
	if err != nil {
		return err
	}
	to := people[args.User] // who is gone has no number
	if fate := to.fate(); fate != Waiting {
		return s.settle(ctx, a, n, fate)
	}
	now := s.deps.Clock.Now().In(s.deps.Zone)
	if wait := s.deps.Quiet.hold(n.Event, args.At, now); wait > 0 {
		return jobs.Release(wait, "quiet hours")
	}
	old, err := s.overtaken(ctx, n)
	switch {
	case err != nil:
		return err
	case old:
		return s.settle(ctx, a, n, Overtaken)
	}
	err = s.limited(to, false, func(ctx context.Context, a *jobs.Attempt) error {
		return s.text(ctx, SMS{Key: a.Key(), Phone: to.Phone, Text: n.Text, Again: a.Number > 1})
	})(ctx, a)
	switch {
	case err == nil:
		return s.settle(ctx, a, n, Delivered)
	case jobs.IsSkip(err):
		return s.settle(ctx, a, n, OverBudget)
	}
	return err
}

// fresh is how long an SMS may have waited before it is asked whether it is still true:
// shorter than any limit holds it back, which is by the same clock.
const fresh = 30 * time.Second

// overtaken reports whether an SMS has waited, for its limits or for quiet hours to end,
// until its order was no longer as it says: on that trip, or without one.
func (s *Service) overtaken(ctx context.Context, n Notice) (bool, error) {
	if s.deps.Clock.Now().Sub(n.CreatedAt) < fresh || !n.OrderID.Valid || !n.TripID.Valid {
		return false, nil
	}
	switch n.Event {
	case Matched, Moved, Reminder, Late, Near, Here, Rematching:
	default:
		return false, nil
	}
	ride, err := s.deps.Rides.Ride(ctx, n.OrderID.UUID)
	if err != nil {
		return false, err
	}
	there := ride.TripID == n.TripID.UUID
	if n.Event == Rematching {
		return ride.Over || ride.Seated && !there, nil
	}
	return !ride.Seated || !there, nil
}

// settle ends an SMS's job with what became of it.
func (s *Service) settle(ctx context.Context, a *jobs.Attempt, n Notice, fate Fate) error {
	if fate != Delivered {
		s.deps.Metrics.skip(string(fate))
	}
	return a.DoneTogether(ctx, func(tx *db.Tx) error { return s.write(tx, n.ID, fate) })
}

// write notes what became of a notice's SMS.
func (s *Service) write(tx *db.Tx, notice uuid.UUID, fate Fate) error {
	_, err := tx.Change("UPDATE notices SET sms = ?, settled_at = ? WHERE id = ?", fate, s.deps.Clock.Now(), notice)
	return err
}

// fates are what the faults of providers make of an SMS.
var fates = map[string]Fate{"sms_number_invalid": NumberRefused, "sms_blocked": Blocked, "sms_rejected": Refused}

// smsFailed notes why an SMS was given up.
func (s *Service) smsFailed(tx *db.Tx, f jobs.Failure, args smsArgs) error {
	fate, ok := fates[fault.CodeOf(f.Err)]
	if !ok {
		fate = Undelivered
	}
	return s.write(tx, args.Notice, fate)
}

func (s *Service) code(ctx context.Context, a *jobs.Attempt, args codeArgs) error {
	if s.late(args) {
		return jobs.Skip("the code has expired")
	}
	people, err := s.deps.People.Contacts(ctx, args.User)
	if err != nil {
		return err
	}
	to, ok := people[args.User]
	if !ok {
		return jobs.Skip("the user is gone")
	}
	// Nobody is kept from signing in: neither by the budget nor by quiet hours.
	return s.limited(to, true, func(ctx context.Context, a *jobs.Attempt) error {
		text := write(s.lang(to), "code", facts{Code: args.Code}, s.deps.Clock.Now(), s.deps.Zone)
		return s.text(ctx, SMS{Key: a.Key(), Phone: to.Phone, Text: text, Code: args.Code, Again: a.Number > 1})
	})(ctx, a)
}

func (s *Service) late(args codeArgs) bool { return !s.deps.Clock.Now().Before(args.Expires) }
