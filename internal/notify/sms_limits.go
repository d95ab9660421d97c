package notify

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/jobs"
)

// noticeWindows are the limits of an SMS about a notice. One that its receiver does
// not want passes them, so that it is dropped now and costs the number nothing.
func (s *Service) noticeWindows(ctx context.Context, args smsArgs) ([]jobs.Window, error) {
	return s.smsWindows(ctx, args.User, func(to Contact) bool { return to.NoSMS })
}

// codeWindows are the limits of a sign-in code. One that is too late passes them in
// the same way.
func (s *Service) codeWindows(ctx context.Context, args codeArgs) ([]jobs.Window, error) {
	return s.smsWindows(ctx, args.User, func(Contact) bool { return s.late(args) })
}

// smsWindows are the limits that an SMS to user falls under, none where it passes
// them. Both kinds of SMS share them, and one that is over any of them uses up none
// of the others.
func (s *Service) smsWindows(ctx context.Context, user uuid.UUID, passes func(Contact) bool) ([]jobs.Window, error) {
	to, err := s.deps.People.Contact(ctx, user)
	if err != nil || passes(to) {
		return nil, err
	}
	number := "sms:number:" + s.deps.Box.Digest(to.Phone)
	windows := []jobs.Window{
		{Key: number + ":minute", Max: 1, Per: time.Minute},
		{Key: number + ":hour", Max: 5, Per: time.Hour},
		{Key: number + ":day", Max: 10, Per: 24 * time.Hour},
	}
	if n := s.deps.SMSPerSecond; n > 0 {
		windows = append(windows, jobs.Window{Key: "sms:provider", Max: n, Per: time.Second})
	}
	return windows, nil
}

// budget counts SMS against what may be sent in a day, and skips those it has no
// room for, unless they must be sent. What no provider takes is not counted.
//
// It stands before the other limits, so that what is skipped uses up none of them.
// What they put off gives its room back meanwhile.
func (s *Service) budget(must bool) jobs.Middleware {
	return func(next jobs.Handler) jobs.Handler {
		if s.deps.SMSPerDay == 0 {
			return next
		}
		day := jobs.Window{Key: "sms:day", Max: s.deps.SMSPerDay, Per: 24 * time.Hour}
		return func(ctx context.Context, a *jobs.Attempt) error {
			room, err := s.deps.Limiter.Claim(ctx, a.Key(), day)
			switch {
			case err != nil:
				return jobs.Release(time.Second, err.Error())
			case !room && !must:
				s.deps.Metrics.skip("daily_budget")
				return jobs.Skip("the day's budget of SMS is spent")
			}
			if err = next(ctx, a); err != nil && room {
				// When Redis does not answer now, the count is one too high for a day.
				_ = s.deps.Limiter.GiveBack(context.WithoutCancel(ctx), a.Key(), day)
			}
			return err
		}
	}
}
