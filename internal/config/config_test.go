package config

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

// .env.example must say what the settings struct says; to renew it, write
// Example's text into the file.
func TestEnvExampleIsTrue(t *testing.T) {
	raw, err := os.ReadFile("../../.env.example")
	if err != nil {
		t.Fatal(err)
	}
	if string(raw) != Example() {
		t.Errorf(".env.example differs from the settings; it should read:\n%s", Example())
	}
}

func load(t *testing.T, env map[string]string, args ...string) (Settings, error) {
	t.Helper()
	set := pflag.NewFlagSet("test", pflag.ContinueOnError)
	Bind(set)
	if err := set.Parse(args); err != nil {
		t.Fatal(err)
	}
	return Load(set, func(name string) (string, bool) { v, ok := env[name]; return v, ok })
}

func TestAFlagWinsOverTheEnvironmentOverTheDefault(t *testing.T) {
	env := map[string]string{"SPOTPOOL_ADDR": "127.0.0.1:1", "SPOTPOOL_MATCH_FOR": "90s", "SPOTPOOL_CONCURRENCY": "3"}
	s, err := load(t, env, "--addr", "127.0.0.1:2")
	if err != nil {
		t.Fatal(err)
	}
	if s.Addr != "127.0.0.1:2" || s.MatchFor != 90*time.Second || s.Concurrency != 3 || s.Data != "./var" {
		t.Errorf("loaded %+v", s)
	}
	if got := s.DatabaseTarget(); got != "sqlite:var/spotpool.db" {
		t.Errorf("database %q", got)
	}
}

func TestBadSettingsAreRefusedByName(t *testing.T) {
	for _, c := range []struct{ arg, names string }{
		{"--concurrency=0", "--concurrency"},
		{"--concurrency=many", "--concurrency"},
		{"--match-for=5", "--match-for"},
		{"--match-for=-5s", "--match-for"},
		{"--match-policy=greedy", "--match-policy"},
		{"--match-policy=", "--match-policy"},
		{"--match-window=0s", "--match-window"},
		{"--match-policy=best --match-window=5m", "--match-window"},
		{"--match-lock=never", "--match-lock"},
		{"--match-budget=0s", "--match-budget"},
		{"--match-budget=1m", "--match-budget"},
		{"--log-level=loud", "--log-level"},
		{"--time-zone=Mars/Olympus", "--time-zone"},
		{"--queues=a=0", "--queues"},
		{"--queues=", "--queues"},
		{"--queues=orders=6,odrers=6", "odrers"},
		{"--sandbox-decline=101", "--sandbox-decline"},
		{"--sandbox-outage=-1", "--sandbox-outage"},
		{"--sandbox-lost=100.5", "--sandbox-lost"},
		{"--sms-outage=NaN", "--sms-outage"},
		{"--sms=log,twilio --sms-lost=5", "--sms-lost"},
		{"--pay-gateway=stripe --sandbox-lost=5", "--sandbox-lost"},
		{"--secret=short", "--secret"},
		{"--user-rate=fast", "--user-rate"},
		{"--tries=-1", "--tries"},
		{"--max-jobs=-1", "--max-jobs"},
		{"--memory=-1", "--memory"},
		{"--timeout=-1s", "--timeout"},
		{"--max-time=-1s", "--max-time"},
		{"--keep-failed=0s", "--keep-failed"},
		{"--sms-per-day=-1", "--sms-per-day"},
		{"--clock-speed=fast", "--clock-speed"},
		{"--clock-speed=NaN", "--clock-speed"},
		{"--clock-speed=Inf", "--clock-speed"},
		{"--clock-speed=-1", "--clock-speed"},
		{"--clock-speed=0.5", "--clock-speed"},
		{"--clock-speed=3601", "--clock-speed"},
		{"--sms=pigeon", "--sms"},
		{"--sms=", "--sms"},
		{"--sms=log,log", "--sms"},
		{"--sms=aliyun", "SPOTPOOL_ALIYUN_"},
		{"--sms=log,twilio", "SPOTPOOL_TWILIO_"},
		{"--pay-gateway=barter", "--pay-gateway"},
		{"--pay-gateway=", "--pay-gateway"},
		{"--pay-gateway=stripe", "SPOTPOOL_STRIPE_"},
		{"--pay-gateway=webhook", "SPOTPOOL_PAY_WEBHOOK_"},
		{"--queue-redis=redis://h/0", "--queue-redis"},
		{"--queue-redis=sms=", "--queue-redis"},
		{"--queue-redis=sms=redis://a,sms=redis://b", "--queue-redis"},
	} {
		_, err := load(t, nil, strings.Fields(c.arg)...)
		if err == nil || !strings.Contains(err.Error(), c.names) {
			t.Errorf("%s: %v, want an error that names %s", c.arg, err, c.names)
		}
	}
}

func TestQueueWeights(t *testing.T) {
	got, err := Settings{Queues: "a=6, b ,c=1"}.QueueWeights()
	if err != nil || len(got) != 3 || got["a"] != 6 || got["b"] != 1 || got["c"] != 1 {
		t.Errorf("weights %v, %v", got, err)
	}
}

func TestSwitchesNeedNoValue(t *testing.T) {
	for _, c := range []struct {
		env  string
		args []string
		want bool
	}{
		{"", nil, false},
		{"", []string{"--strict"}, true},
		{"true", nil, true},
		{"1", []string{"--strict=false"}, false},
	} {
		env := map[string]string{}
		if c.env != "" {
			env["SPOTPOOL_STRICT"] = c.env
		}
		if s, err := load(t, env, c.args...); err != nil || s.Strict != c.want {
			t.Errorf("SPOTPOOL_STRICT=%s %v: strict %v, %v", c.env, c.args, s.Strict, err)
		}
	}
	if _, err := load(t, map[string]string{"SPOTPOOL_STRICT": "maybe"}); err == nil || !strings.Contains(err.Error(), "SPOTPOOL_STRICT") {
		t.Errorf("strict maybe: %v", err)
	}
}

// A key to another service is no argument of the process, which everyone can read.
func TestKeysAreInTheEnvironmentOnly(t *testing.T) {
	set := pflag.NewFlagSet("test", pflag.ContinueOnError)
	Bind(set)
	env := map[string]string{"SPOTPOOL_SMS": " twilio ,log", "SPOTPOOL_TWILIO_ACCOUNT": "AC1", "SPOTPOOL_TWILIO_FROM": "MG1"}
	for _, name := range []string{"twilio-token", "aliyun-key-id", "aliyun-key-secret", "stripe-key", "stripe-webhook-secret", "pay-webhook-secret"} {
		if set.Lookup(name) != nil {
			t.Errorf("--%s is a flag", name)
		}
		env[EnvName(name)] = "key of " + name
	}
	s, err := load(t, env)
	if err != nil || s.TwilioToken != "key of twilio-token" || s.AliyunKeyID == "" || s.AliyunKeySecret == "" {
		t.Errorf("loaded %+v, %v", s, err)
	}
	if names, err := s.SMSProviders(); err != nil || !slices.Equal(names, []string{TwilioSMS, LogSMS}) {
		t.Errorf("providers %v, %v", names, err)
	}
}

func TestGatewaysNeedTheirKeys(t *testing.T) {
	stripe := map[string]string{"SPOTPOOL_PAY_GATEWAY": "stripe", "SPOTPOOL_STRIPE_KEY": "sk_test_1", "SPOTPOOL_STRIPE_WEBHOOK_SECRET": "whsec_1"}
	webhook := map[string]string{"SPOTPOOL_PAY_GATEWAY": "webhook", "SPOTPOOL_PAY_WEBHOOK_URL": "https://pay.example", "SPOTPOOL_PAY_WEBHOOK_SECRET": "0123456789abcdef"}
	for _, c := range []struct {
		env         map[string]string
		name, value string
		refused     bool
	}{
		{stripe, "", "", false},
		{stripe, "SPOTPOOL_STRIPE_METHOD", "pm_card_visa", false},
		{stripe, "SPOTPOOL_STRIPE_KEY", "", true},
		{stripe, "SPOTPOOL_STRIPE_KEY", "pk_test_1", true}, // publishable: it may do nothing
		{stripe, "SPOTPOOL_STRIPE_WEBHOOK_SECRET", "", true},
		{webhook, "", "", false},
		{webhook, "SPOTPOOL_PAY_WEBHOOK_URL", "", true},
		{webhook, "SPOTPOOL_PAY_WEBHOOK_SECRET", "", true},
		{webhook, "SPOTPOOL_PAY_WEBHOOK_SECRET", "short", true},
	} {
		env := maps.Clone(c.env)
		env[c.name] = c.value
		_, err := load(t, env)
		if refused := err != nil; refused != c.refused || refused && !strings.Contains(err.Error(), c.name) {
			t.Errorf("with %s=%q: %v", c.name, c.value, err)
		}
		if err != nil && c.value != "" && strings.Contains(err.Error(), c.value) {
			t.Errorf("the error repeats the key: %v", err)
		}
	}
	live := maps.Clone(stripe)
	live["SPOTPOOL_STRIPE_KEY"], live["SPOTPOOL_STRIPE_METHOD"] = "sk_live_1", "pm_1"
	if _, err := load(t, live); err == nil || !strings.Contains(err.Error(), "SPOTPOOL_STRIPE_METHOD") {
		t.Errorf("everybody's rides on one card: %v", err)
	}
}

// The signatures of a gateway's webhooks are of the wall's time.
func TestNoGatewayBesideAFastClock(t *testing.T) {
	s := Settings{SMS: LogSMS, PayGateway: WebhookPay}
	if err := s.CheckSpeed(20); err == nil || !strings.Contains(err.Error(), "--pay-gateway sandbox") {
		t.Errorf("20× beside a gateway: %v", err)
	}
	if err := s.CheckSpeed(1); err != nil {
		t.Errorf("1× beside a gateway: %v", err)
	}
}

func TestQueueTargets(t *testing.T) {
	s := Settings{QueueRedis: "sms=redis://:p=w@one:6379/2, low=redis-sentinel://h1:1,h2:2/0?master=m"}
	got, err := s.QueueTargets()
	want := map[string]string{"sms": "redis://:p=w@one:6379/2", "low": "redis-sentinel://h1:1,h2:2/0?master=m"}
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("targets %v, %v", got, err)
	}
	if none, err := (Settings{}).QueueTargets(); err != nil || len(none) != 0 {
		t.Errorf("of nothing: %v, %v", none, err)
	}
}

func TestAnotherProcessHasTheSameSettings(t *testing.T) {
	s, err := load(t, nil, "--database", "mysql://a:b=c@h/d", "--user-rate", "0.5", "--strict", "--match-for", "90s", "--memory", "7")
	if err != nil {
		t.Fatal(err)
	}
	env := map[string]string{}
	for _, line := range s.Environ() {
		name, value, _ := strings.Cut(line, "=")
		if value != "" { // an empty variable counts as unset, see Lookup
			env[name] = value
		}
	}
	if again, err := load(t, env); err != nil || again != s {
		t.Errorf("%+v, %v; want %+v", again, err, s)
	}
}

// Beside a real provider time is the world's, whether the speed was asked for or found.
func TestOnlyTheWallsTimeGoesWithARealProvider(t *testing.T) {
	for _, c := range []struct {
		sms   string
		speed float64
		ok    bool
	}{
		{"log", 0, true}, {"log", 1, true}, {"log", 60, true}, {"log", 3600, true},
		{"twilio", 0, true}, {"twilio", 1, true}, {"twilio", 60, false}, {"log,aliyun", 1.5, false},
	} {
		s := Settings{PayGateway: SandboxPay, SMS: c.sms, ClockSpeed: c.speed}
		if err := s.checkClock(); (err == nil) != c.ok {
			t.Errorf("%s at %g: %v", c.sms, c.speed, err)
		}
		if err := s.CheckSpeed(max(c.speed, 1)); (err == nil) != c.ok {
			t.Errorf("%s on a database at %g: %v", c.sms, c.speed, err)
		}
	}
}
