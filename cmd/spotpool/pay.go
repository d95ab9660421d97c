package main

import (
	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/config"
	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/mishap"
	"github.com/spotpool/spotpool/internal/pay"
)

// realGateway returns who moves money, and who reads the webhooks that come from there;
// none where that is the sandbox. It is outside, where time is the wall's.
func realGateway(s config.Settings) (pay.Gateway, map[string]pay.Hook, error) {
	switch s.PayGateway {
	case config.StripePay:
		g, err := pay.NewStripe(pay.StripeConfig{
			URL: s.StripeURL, Key: s.StripeKey, WebhookSecret: s.StripeWebhookSecret, Method: s.StripeMethod,
		}, clock.System{})
		if err != nil {
			return nil, nil, usageError{err}
		}
		return g, map[string]pay.Hook{pay.StripeHook: g}, nil
	case config.WebhookPay:
		g, err := pay.NewSigned(s.PayWebhookURL, s.PayWebhookSecret, clock.System{})
		if err != nil {
			return nil, nil, usageError{err}
		}
		return g, map[string]pay.Hook{pay.SignedHook: g}, nil
	}
	return nil, nil, nil
}

// sandbox returns the payment gateway without money behind it.
func sandbox(s config.Settings, d *db.DB, clk clock.Clock) pay.Sandbox {
	g := pay.Sandbox{
		Latency: s.SandboxLatency, DeclinePercent: s.SandboxDecline,
		Mishaps: mishap.New(s.MishapSeed, s.SandboxOutage, s.SandboxLost),
	}
	if s.SandboxBook {
		g.Book = pay.NewBook(d, clk)
	}
	return g
}
