package notify

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/jobs"
)

type smsArgs struct {
	Notice uuid.UUID `json:"notice_id"`
	User   uuid.UUID `json:"user_id"`
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

// A provider that fails so often in a row is left alone for a while.
const (
	providerErrors = 5
	providerPause  = 15 * time.Second
)

// registerSMS puts the breaker inside the rate limits: what they put off has not
// met the provider and says nothing of it.
func (s *Service) registerSMS(r *jobs.Registry) {
	provider := jobs.ThrottleExceptions(jobs.NewBreaker("sms provider", providerErrors, providerPause))
	jobs.Handle(r, smsKind, s.sms, jobs.RateLimit(s.deps.Limiter,
		func(ctx context.Context, args smsArgs) ([]jobs.Window, error) { return s.smsWindows(ctx, args.User) }), provider)
	jobs.Handle(r, codeKind, s.code, jobs.RateLimit(s.deps.Limiter, s.codeWindows), provider)
}

func (s *Service) sms(ctx context.Context, a *jobs.Attempt, args smsArgs) error {
	n, err := s.notice(ctx, args.Notice)
	if err != nil {
		return err
	}
	return s.text(ctx, a.Key(), args.User, n.Text)
}

func (s *Service) code(ctx context.Context, a *jobs.Attempt, args codeArgs) error {
	if s.late(args) {
		return jobs.Skip("the code has expired")
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
