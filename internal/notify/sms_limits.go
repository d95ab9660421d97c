package notify

import (
	"context"
	"encoding/json"
	"time"

	"github.com/spotpool/spotpool/internal/jobs"
)

// limited has SMS to somebody sent within the limits; must says that the day's budget
// does not stop it. Both kinds of SMS share the limits, and one that is over any of them
// uses up none of the others.
func (s *Service) limited(to Contact, must bool, send jobs.Handler) jobs.Handler {
	number := "sms:number:" + s.deps.Box.Digest(to.Phone)
	windows := []jobs.Window{
		{Key: number + ":minute", Max: 1, Per: time.Minute},
		{Key: number + ":hour", Max: 5, Per: time.Hour},
		{Key: number + ":day", Max: 10, Per: 24 * time.Hour},
	}
	if n := s.deps.SMSPerSecond; n > 0 {
		windows = append(windows, jobs.Window{Key: "sms:provider", Max: n, Per: time.Second})
	}
	limit := jobs.RateLimit(s.deps.Limiter, func(context.Context, json.RawMessage) ([]jobs.Window, error) { return windows, nil })
	return s.budget(must)(limit(send))
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
