package config

import (
	"fmt"
	"strings"
)

// The payment gateways.
const (
	SandboxPay = "sandbox"
	StripePay  = "stripe"
	WebhookPay = "webhook"
)

// checkPay refuses a gateway without what it needs.
func (s Settings) checkPay() error {
	if s.PayGateway != SandboxPay && (s.SandboxOutage > 0 || s.SandboxLost > 0 || s.SandboxBook) {
		return fmt.Errorf("--sandbox-outage, --sandbox-lost and --sandbox-book are for --pay-gateway sandbox only")
	}
	switch s.PayGateway {
	case SandboxPay:
		return nil
	case StripePay:
		return s.checkStripe()
	case WebhookPay:
		switch {
		case s.PayWebhookURL == "":
			return fmt.Errorf("--pay-gateway webhook needs %s", EnvName("pay-webhook-url"))
		case len(s.PayWebhookSecret) < 16:
			return fmt.Errorf("--pay-gateway webhook needs %s of at least 16 characters", EnvName("pay-webhook-secret"))
		}
		return nil
	}
	return fmt.Errorf("--pay-gateway: %q is none of sandbox, stripe, webhook", s.PayGateway)
}

func (s Settings) checkStripe() error {
	secret := strings.HasPrefix(s.StripeKey, "sk_") || strings.HasPrefix(s.StripeKey, "rk_")
	switch {
	case s.StripeURL == "":
		return fmt.Errorf("--pay-gateway stripe needs %s", EnvName("stripe-url"))
	case !secret:
		return fmt.Errorf("--pay-gateway stripe needs %s, which begins with sk_ or rk_", EnvName("stripe-key"))
	case s.StripeWebhookSecret == "":
		return fmt.Errorf("--pay-gateway stripe needs %s", EnvName("stripe-webhook-secret"))
	case s.StripeMethod != "" && strings.HasPrefix(s.StripeKey[2:], "_live_"):
		return fmt.Errorf("%s is for tests: with a live key, everyone who has named no card would ride on that one", EnvName("stripe-method"))
	}
	return nil
}
