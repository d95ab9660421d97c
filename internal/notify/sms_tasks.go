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

func (s *Service) registerSMS(r *jobs.Registry) {
	jobs.Handle(r, smsKind, s.sms, s.budget(false), jobs.RateLimit(s.deps.Limiter, s.noticeWindows))
	jobs.Handle(r, codeKind, s.code, s.budget(true), jobs.RateLimit(s.deps.Limiter, s.codeWindows)) // nobody is kept from signing in
}

func (s *Service) sms(ctx context.Context, a *jobs.Attempt, args smsArgs) error {
	to, err := s.deps.People.Contact(ctx, args.User)
	if err != nil {
		return err
	}
	if to.NoSMS {
		s.deps.Metrics.skip("opted_out")
		return jobs.Skip("the user wants no SMS about notices")
	}
	n, err := s.notice(ctx, args.Notice)
	if err != nil {
		return err
	}
	return s.text(ctx, SMS{Key: a.Key(), Phone: to.Phone, Text: n.Text, Again: a.Number > 1})
}

func (s *Service) code(ctx context.Context, a *jobs.Attempt, args codeArgs) error {
	if s.late(args) {
		return jobs.Skip("the code has expired")
	}
	to, err := s.deps.People.Contact(ctx, args.User)
	if err != nil {
		return err
	}
	text := fmt.Sprintf("%s is your Spotpool sign-in code.", args.Code)
	return s.text(ctx, SMS{Key: a.Key(), Phone: to.Phone, Text: text, Code: args.Code, Again: a.Number > 1})
}

func (s *Service) late(args codeArgs) bool { return !s.deps.Clock.Now().Before(args.Expires) }
