package main

import (
	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/config"
	"github.com/spotpool/spotpool/internal/pay"
)

// payGateway returns who moves money, and who reads the webhooks that come from there.
func payGateway(s config.Settings, clk clock.Clock) (pay.Gateway, map[string]pay.Hook, error) {
	switch s.PayGateway {
	case config.StripePay:
		g, err := pay.NewStripe(pay.StripeConfig{
			URL: s.StripeURL, Key: s.StripeKey, WebhookSecret: s.StripeWebhookSecret, Method: s.StripeMethod,
		}, clk)
		if err != nil {
			return nil, nil, usageError{err}
		}
		return g, map[string]pay.Hook{pay.StripeHook: g}, nil
	case config.WebhookPay:
		g, err := pay.NewSigned(s.PayWebhookURL, s.PayWebhookSecret, clk)
		if err != nil {
			return nil, nil, usageError{err}
		}
		return g, map[string]pay.Hook{pay.SignedHook: g}, nil
	}
	return pay.Sandbox{Latency: s.SandboxLatency, DeclinePercent: s.SandboxDecline, OutagePercent: s.SandboxOutage}, nil, nil
}
