package config

import (
	"fmt"
	"slices"
	"strings"
)

// The providers of SMS.
const (
	LogSMS    = "log"
	AliyunSMS = "aliyun"
	TwilioSMS = "twilio"
)

// SMSProviders returns who sends SMS, the first first.
func (s Settings) SMSProviders() ([]string, error) {
	var names []string
	for name := range strings.SplitSeq(s.SMS, ",") {
		name = strings.TrimSpace(name)
		if !slices.Contains([]string{LogSMS, AliyunSMS, TwilioSMS}, name) {
			return nil, fmt.Errorf("--sms: %q is none of log, aliyun, twilio", name)
		}
		if slices.Contains(names, name) {
			return nil, fmt.Errorf("--sms names %s twice", name)
		}
		names = append(names, name)
	}
	return names, nil
}

// checkSMS refuses providers without what they need.
func (s Settings) checkSMS() error {
	names, err := s.SMSProviders()
	if err != nil {
		return err
	}
	needs := map[string]map[string]string{
		AliyunSMS: {
			"aliyun-endpoint": s.AliyunEndpoint, "aliyun-key-id": s.AliyunKeyID, "aliyun-key-secret": s.AliyunKeySecret,
			"aliyun-sign": s.AliyunSign, "aliyun-code-template": s.AliyunCodeTemplate, "aliyun-notice-template": s.AliyunNoticeTemplate,
		},
		TwilioSMS: {
			"twilio-endpoint": s.TwilioEndpoint, "twilio-account": s.TwilioAccount, "twilio-token": s.TwilioToken, "twilio-from": s.TwilioFrom,
		},
	}
	if (s.SMSOutage > 0 || s.SMSLost > 0) && !slices.Equal(names, []string{LogSMS}) {
		return fmt.Errorf("--sms-outage and --sms-lost are for --sms log only: with a real provider, people would miss messages or get them twice")
	}
	for _, name := range names {
		for flag, value := range needs[name] {
			if value == "" {
				return fmt.Errorf("--sms %s needs %s", name, EnvName(flag))
			}
		}
	}
	return nil
}
