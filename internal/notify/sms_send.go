package notify

import (
	"context"
	"time"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/jobs"
)

// sender is a provider with the breaker that leaves it alone while it is out.
type sender struct {
	Provider
	breaker *jobs.Breaker
}

// A provider that fails so often in a row is left alone for a while.
const (
	providerErrors = 5
	providerPause  = 15 * time.Second
)

func sendersOf(c clock.Clock, providers []Provider) []sender {
	all := make([]sender, len(providers))
	for i, p := range providers {
		all[i] = sender{p, jobs.NewBreaker(c, "sms "+p.Name, providerErrors, providerPause)}
	}
	return all
}

// text has the first provider send the message that is not left alone just now; it
// returns a release when all of them are. No other is asked once one was: whatever
// its error says, it may have sent the message.
func (s *Service) text(ctx context.Context, m SMS) (err error) {
	for _, to := range s.senders {
		var ran bool
		if ran, err = to.breaker.Call(ctx, func() error { return to.Texter.Text(ctx, m) }); ran {
			s.deps.Metrics.answered(to.Name, err)
			return err
		}
	}
	return err
}
