package main

import (
	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/config"
	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/mishap"
	"github.com/spotpool/spotpool/internal/pay"
)

// sandbox returns the payment gateway without money behind it.
func sandbox(s config.Settings, d *db.DB, clk clock.Clock) pay.Gateway {
	g := pay.Sandbox{
		Latency: s.SandboxLatency, DeclinePercent: s.SandboxDecline,
		Mishaps: mishap.New(s.MishapSeed, s.SandboxOutage, s.SandboxLost),
	}
	if s.SandboxBook {
		g.Book = pay.NewBook(d, clk)
	}
	return g
}
