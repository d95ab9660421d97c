package main

import (
	"log/slog"
	"slices"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/config"
	"github.com/spotpool/spotpool/internal/mishap"
	"github.com/spotpool/spotpool/internal/notify"
)

// manners returns when SMS wait, and the language of those who have chosen none.
func manners(s config.Settings) (quiet notify.Quiet, lang notify.Lang, err error) {
	if quiet, err = notify.ParseQuiet(s.QuietHours); err != nil {
		return quiet, lang, usagef("--quiet-hours: %w", err)
	}
	if lang = notify.Lang(s.Language); !slices.Contains(notify.Langs, lang) {
		return quiet, lang, usagef("--language: %q is none of %v", s.Language, notify.Langs)
	}
	return quiet, lang, nil
}

// smsProviders returns who sends SMS.
func smsProviders(s config.Settings, clk clock.Clock, log *slog.Logger) ([]notify.Provider, error) {
	names, err := s.SMSProviders()
	if err != nil {
		return nil, err
	}
	providers := make([]notify.Provider, len(names))
	for i, name := range names {
		providers[i].Name = name
		if providers[i].Texter, err = texter(name, s, clk, log); err != nil {
			return nil, usageError{err}
		}
	}
	return providers, nil
}

func texter(name string, s config.Settings, clk clock.Clock, log *slog.Logger) (notify.Texter, error) {
	switch name {
	case config.AliyunSMS:
		return notify.NewAliyun(notify.AliyunConfig{
			Endpoint: s.AliyunEndpoint, KeyID: s.AliyunKeyID, KeySecret: s.AliyunKeySecret,
			Sign: s.AliyunSign, CodeTemplate: s.AliyunCodeTemplate, NoticeTemplate: s.AliyunNoticeTemplate,
		}, clk)
	case config.TwilioSMS:
		return notify.NewTwilio(notify.TwilioConfig{
			Endpoint: s.TwilioEndpoint, Account: s.TwilioAccount, Token: s.TwilioToken, From: s.TwilioFrom,
		}, clk)
	}
	return notify.LogTexter{Log: log, Mishaps: mishap.New(s.MishapSeed, s.SMSOutage, s.SMSLost)}, nil
}
