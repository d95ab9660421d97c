// Package config holds the one settings struct. Every setting is an environment
// variable and, unless it is a key to someone else's service, a flag; the flag wins.
package config

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// Settings are what an installation may choose. The tags name the flag, from
// which the variable's name follows (--sms-per-second, SPOTPOOL_SMS_PER_SECOND),
// the default, and what it means. A setting tagged env has no flag: everyone on the
// machine can read a process's arguments.
type Settings struct {
	Addr        string `flag:"addr" default:"127.0.0.1:8080" help:"address of the HTTP API and the pages; loopback unless told otherwise"`
	MetricsAddr string `flag:"metrics-addr" default:"" help:"address where a 'work' process shows /metrics and /healthz; empty: nowhere"`
	Data        string `flag:"data" default:"./var" help:"directory of the embedded database and of the secret"`
	Database    string `flag:"database" default:"" help:"mysql://user:password@host:3306/name, or sqlite:PATH; empty: SQLite in the data directory"`
	Redis       string `flag:"redis" default:"" help:"redis://user:password@host:6379/0, rediss://, redis-sentinel://h1,h2/0?master=name or redis-cluster://h1,h2; empty: a Redis inside the process"`
	Secret      string `flag:"secret" default:"" help:"signs tokens and seals what is encrypted, at least 16 characters, the same in every process; empty: made once and kept in the data directory"`

	LogLevel   string        `flag:"log-level" default:"info" help:"debug, info, warn or error"`
	TimeZone   string        `flag:"time-zone" default:"Asia/Shanghai" help:"of the times in notices and SMS, of quiet hours, and of the days that drivers' statements are about"`
	QuietHours string        `flag:"quiet-hours" default:"22:00-07:00" help:"when SMS about notices wait that can, in --time-zone; what happens before the end, and what is urgent, is sent all the same; none: never"`
	Language   string        `flag:"language" default:"en" help:"of notices and SMS to those who have chosen none: en or zh"`
	TokenLife  time.Duration `flag:"token-life" default:"24h" help:"how long a sign-in lasts"`

	ClockSpeed float64 `flag:"clock-speed" default:"0" help:"how many times as fast as the wall's clock the application's time runs, from 1 to 3600: with 60, an hour passes in a minute; 0: as it does in the database, by the wall's clock in a new one (demo: 20); only 1 goes with a real SMS provider or payment gateway"`

	Queues          string        `flag:"queues" default:"orders=30,pay=30,match=20,notify=3,sms=2,low=1" help:"queues a worker takes jobs from, with their weights"`
	Concurrency     int           `flag:"concurrency" default:"8" help:"jobs a worker runs at a time"`
	Strict          bool          `flag:"strict" default:"false" help:"a queue is asked only when those of greater weight are empty"`
	QueueRedis      string        `flag:"queue-redis" default:"" help:"queues on a Redis of their own, the same in every process: sms=redis://host/0,low=redis://other/0; empty: all on --redis"`
	PollInterval    time.Duration `flag:"poll-interval" default:"100ms" help:"how long a worker with nothing to do waits at most for word of new work before it looks by itself"`
	DelayedInterval time.Duration `flag:"delayed-interval" default:"1s" help:"between two looks for delayed jobs that have come due"`
	SweepInterval   time.Duration `flag:"sweep-interval" default:"2s" help:"between two comparisons of the database with Redis"`
	StopTimeout     time.Duration `flag:"stop-timeout" default:"8s" help:"how long running jobs and requests may take to end when the process stops"`
	ShowFinished    time.Duration `flag:"show-finished" default:"1h" help:"how long asynqmon shows finished jobs"`
	KeepFinished    time.Duration `flag:"keep-finished" default:"168h" help:"how long the database keeps finished flows and jobs"`
	KeepFailed      time.Duration `flag:"keep-failed" default:"720h" help:"how long the list of failed jobs keeps one"`

	Timeout       time.Duration `flag:"timeout" default:"0s" help:"bounds how long an attempt may take, whatever its kind says; 0: what the kind says"`
	Tries         int           `flag:"tries" default:"0" help:"bounds how often a job is tried, whatever its kind says; 0: what the kind says"`
	StopWhenEmpty bool          `flag:"stop-when-empty" default:"false" help:"a 'work' process ends once no job of its queues is due"`
	MaxJobs       int           `flag:"max-jobs" default:"0" help:"a 'work' process ends after so many jobs; 0: never"`
	MaxTime       time.Duration `flag:"max-time" default:"0s" help:"a 'work' process ends after so long; 0: never"`
	Memory        int           `flag:"memory" default:"0" help:"a 'work' process ends once it holds more MB; 0: never"`

	MatchFor      time.Duration `flag:"match-for" default:"5m" help:"how long a trip is looked for before an order expires"`
	MatchPolicy   string        `flag:"match-policy" default:"instant" help:"instant: an order is decided when it comes; windowed: those of a window are decided together; best: the same, and orders that are not locked move to where they cost less"`
	MatchWindow   time.Duration `flag:"match-window" default:"5s" help:"how long orders gather, with the policies windowed and best"`
	MatchLock     string        `flag:"match-lock" default:"told" help:"from when on an order stays on its trip, with the policy best: told (its riders know the trip) or pickup (the trip departs; whoever is concerned is told of the change)"`
	MatchBudget   time.Duration `flag:"match-budget" default:"100ms" help:"how long each decision of the policy best looks for something better"`
	UsualWait     time.Duration `flag:"usual-wait" default:"15m" help:"how long a rider who names no arrival time waits for the pickup"`
	Travel        string        `flag:"travel" default:"straight" help:"where travel times are from: straight (great circle × 1.3 at 10 m/s), roads:FILE.osm.pbf, roads:PREFIX of .edges and .rnet, or osrm:http://host:port"`
	DefaultDetour time.Duration `flag:"default-detour" default:"15m" help:"detour of a trip whose driver names none"`
	NoShowWait    time.Duration `flag:"no-show-wait" default:"3m" help:"how long a driver waits at the pickup before a rider counts as not come"`
	MaxOrders     int           `flag:"max-orders" default:"5" help:"orders a rider may hold at a time"`

	PlatformFee   int           `flag:"platform-fee" default:"20" help:"percent of what riders are charged that the platform keeps; the rest is the driver's"`
	DisputeWindow time.Duration `flag:"dispute-window" default:"24h" help:"from the end of a trip until its driver is paid; meanwhile an operator may refund its riders"`

	SMS                  string `flag:"sms" default:"log" help:"who sends SMS: log (nobody), aliyun or twilio; of two, as in aliyun,twilio, the second while the first is out of order"`
	SMSPerSecond         int    `flag:"sms-per-second" default:"20" help:"SMS the providers take a second, from all workers together; 0: any number"`
	SMSPerDay            int    `flag:"sms-per-day" default:"0" help:"SMS in any 24 hours, from all workers together; beyond it only sign-in codes are sent; 0: any number"`
	AliyunEndpoint       string `flag:"aliyun-endpoint" default:"https://dysmsapi.aliyuncs.com" help:"of Aliyun's Short Message Service"`
	AliyunKeyID          string `flag:"aliyun-key-id" default:"" env:"only" help:"AccessKey ID of a RAM user that may call dysms:SendSms and dysms:QuerySendDetails; environment only"`
	AliyunKeySecret      string `flag:"aliyun-key-secret" default:"" env:"only" help:"AccessKey secret of that user; environment only"`
	AliyunSign           string `flag:"aliyun-sign" default:"" help:"the approved signature that stands before every SMS"`
	AliyunCodeTemplate   string `flag:"aliyun-code-template" default:"" help:"code of the approved template of sign-in codes, SMS_…, with the variable ${code}"`
	AliyunNoticeTemplate string `flag:"aliyun-notice-template" default:"" help:"code of the approved template of notices, SMS_…, with the variable ${text}"`
	TwilioEndpoint       string `flag:"twilio-endpoint" default:"https://api.twilio.com" help:"of Twilio's API"`
	TwilioAccount        string `flag:"twilio-account" default:"" help:"SID of the account, AC…"`
	TwilioToken          string `flag:"twilio-token" default:"" env:"only" help:"auth token of the account; environment only"`
	TwilioFrom           string `flag:"twilio-from" default:"" help:"number of the account that SMS come from, or the SID of a messaging service, MG…"`

	PayGateway          string `flag:"pay-gateway" default:"sandbox" help:"who moves money: sandbox (nobody), stripe, or webhook (a service of your own that keeps to docs/payments.md)"`
	StripeURL           string `flag:"stripe-url" default:"https://api.stripe.com" help:"of Stripe's API"`
	StripeKey           string `flag:"stripe-key" default:"" env:"only" help:"secret or restricted key of the account, sk_… or rk_…; environment only"`
	StripeWebhookSecret string `flag:"stripe-webhook-secret" default:"" env:"only" help:"signing secret of the webhook endpoint /v1/webhooks/stripe, whsec_…; environment only"`
	StripeMethod        string `flag:"stripe-method" default:"" help:"payment method of riders who have named none, for tests, such as pm_card_visa; empty: they are declined"`
	PayWebhookURL       string `flag:"pay-webhook-url" default:"" help:"where the service of the gateway 'webhook' takes commands"`
	PayWebhookSecret    string `flag:"pay-webhook-secret" default:"" env:"only" help:"signs commands to that service and its webhooks to /v1/webhooks/pay, at least 16 characters; environment only"`

	SandboxLatency time.Duration `flag:"sandbox-latency" default:"30ms" help:"how long the sandbox payment gateway takes"`
	SandboxDecline int           `flag:"sandbox-decline" default:"0" help:"percent of holds, and of captures, that the sandbox declines"`
	SandboxOutage  float64       `flag:"sandbox-outage" default:"0" help:"percent of calls in which the sandbox is out of order"`
	SandboxLost    float64       `flag:"sandbox-lost" default:"0" help:"percent of calls that the sandbox carries out without answering"`
	SandboxBook    bool          `flag:"sandbox-book" default:"false" help:"the sandbox keeps a book of its own in the database, with which 'audit' compares ours; from the first order on"`
	SMSOutage      float64       `flag:"sms-outage" default:"0" help:"percent of SMS for which the provider log is out of order"`
	SMSLost        float64       `flag:"sms-lost" default:"0" help:"percent of SMS that the provider log sends without answering"`
	MishapSeed     int           `flag:"mishap-seed" default:"1" help:"the same seed has the same calls of a process go wrong, by --sandbox-outage, --sandbox-lost, --sms-outage and --sms-lost"`

	UserRate    float64 `flag:"user-rate" default:"20" help:"requests a second this process takes from one user; 0: any number"`
	AddressRate float64 `flag:"address-rate" default:"2" help:"sign-in requests a second this process takes from one address; 0: any number"`
}

// EnvPrefix begins the name of every variable.
const EnvPrefix = "SPOTPOOL_"

// EnvName returns the name of the variable that belongs to a flag.
func EnvName(flag string) string {
	return EnvPrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// Bind adds the settings as flags to a flag set. Load fills them in.
func Bind(set *pflag.FlagSet) {
	for f := range fields() {
		if f.envOnly {
			continue
		}
		help := f.help + " (" + EnvName(f.flag) + ")"
		if f.switches {
			set.Bool(f.flag, f.def == "true", help)
			continue
		}
		set.String(f.flag, f.def, help)
	}
}

// Load reads the settings: from the flags given, else from the environment, else the defaults.
func Load(set *pflag.FlagSet, lookup func(string) (string, bool)) (Settings, error) {
	var s Settings
	for f := range fields() {
		text, from := f.def, "default of --"+f.flag
		if v, ok := lookup(EnvName(f.flag)); ok {
			text, from = v, EnvName(f.flag)
		}
		if !f.envOnly && set.Changed(f.flag) {
			text, from = set.Lookup(f.flag).Value.String(), "--"+f.flag
		}
		if err := assign(reflect.ValueOf(&s).Elem().Field(f.index), text); err != nil {
			return s, fmt.Errorf("%s: %w", from, err)
		}
	}
	return s, s.check()
}

type field struct {
	index           int
	flag, def, help string
	switches        bool // on or off: the flag needs no value
	envOnly         bool // there is no flag
}

// fields yields the settings in the order in which they stand in the struct.
func fields() func(yield func(field) bool) {
	return func(yield func(field) bool) {
		t := reflect.TypeFor[Settings]()
		for i := range t.NumField() {
			tag, switches := t.Field(i).Tag, t.Field(i).Type.Kind() == reflect.Bool
			if !yield(field{i, tag.Get("flag"), tag.Get("default"), tag.Get("help"), switches, tag.Get("env") == "only"}) {
				return
			}
		}
	}
}

func assign(v reflect.Value, text string) error {
	switch v.Interface().(type) {
	case string:
		v.SetString(text)
	case time.Duration:
		d, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("%q is not a duration such as 1500ms, 30s or 2h", text)
		}
		v.SetInt(int64(d))
	case bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("%q is neither true nor false", text)
		}
		v.SetBool(b)
	case int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("%q is not a whole number", text)
		}
		v.SetInt(int64(n))
	case float64:
		x, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return fmt.Errorf("%q is not a number", text)
		}
		v.SetFloat(x)
	}
	return nil
}

// check refuses settings that no process can run with.
func (s Settings) check() error {
	if _, err := s.Level(); err != nil {
		return err
	}
	if err := s.checkQueues(); err != nil {
		return err
	}
	if _, err := s.QueueTargets(); err != nil {
		return err
	}
	if _, err := s.Zone(); err != nil {
		return err
	}
	if err := s.checkMatching(); err != nil {
		return err
	}
	if err := s.checkSMS(); err != nil {
		return err
	}
	if err := s.checkPay(); err != nil {
		return err
	}
	if err := s.checkClock(); err != nil {
		return err
	}
	for name, d := range map[string]time.Duration{
		"token-life": s.TokenLife, "poll-interval": s.PollInterval, "delayed-interval": s.DelayedInterval,
		"sweep-interval": s.SweepInterval, "stop-timeout": s.StopTimeout, "match-for": s.MatchFor,
		"keep-finished": s.KeepFinished, "keep-failed": s.KeepFailed, "show-finished": s.ShowFinished,
	} {
		if d <= 0 {
			return fmt.Errorf("--%s must be longer than zero", name)
		}
	}
	for name, d := range map[string]time.Duration{
		"usual-wait": s.UsualWait, "dispute-window": s.DisputeWindow, "default-detour": s.DefaultDetour, "no-show-wait": s.NoShowWait,
		"sandbox-latency": s.SandboxLatency,
		"timeout":         s.Timeout, "max-time": s.MaxTime,
	} {
		if d < 0 {
			return fmt.Errorf("--%s must not be negative", name)
		}
	}
	for name, n := range map[string]int{
		"tries": s.Tries, "max-jobs": s.MaxJobs, "memory": s.Memory, "sms-per-second": s.SMSPerSecond, "sms-per-day": s.SMSPerDay,
	} {
		if n < 0 {
			return fmt.Errorf("--%s must not be negative", name)
		}
	}
	for name, n := range map[string]int{"concurrency": s.Concurrency, "max-orders": s.MaxOrders} {
		if n < 1 {
			return fmt.Errorf("--%s must be at least 1", name)
		}
	}
	for name, n := range map[string]float64{
		"platform-fee": float64(s.PlatformFee), "sandbox-decline": float64(s.SandboxDecline),
		"sandbox-outage": s.SandboxOutage, "sandbox-lost": s.SandboxLost, "sms-outage": s.SMSOutage, "sms-lost": s.SMSLost,
	} {
		if !(n >= 0 && n <= 100) {
			return fmt.Errorf("--%s is a percentage, from 0 to 100", name)
		}
	}
	if s.Secret != "" && len(s.Secret) < 16 {
		return fmt.Errorf("--secret must have at least 16 characters")
	}
	return nil
}

// checkMatching refuses what matching cannot work with.
func (s Settings) checkMatching() error {
	switch {
	case !slices.Contains([]string{"instant", "windowed", "best"}, s.MatchPolicy):
		return fmt.Errorf("--match-policy: %q is none of instant, windowed, best", s.MatchPolicy)
	case s.MatchLock != "told" && s.MatchLock != "pickup":
		return fmt.Errorf("--match-lock: %q is neither told nor pickup", s.MatchLock)
	case s.MatchWindow <= 0:
		return fmt.Errorf("--match-window must be longer than zero")
	case s.MatchPolicy != "instant" && s.MatchWindow >= s.MatchFor:
		return fmt.Errorf("--match-window must be shorter than --match-for: orders would expire before they are decided")
	case s.MatchBudget <= 0 || s.MatchBudget > maxMatchBudget:
		return fmt.Errorf("--match-budget must be longer than zero and at most %s", maxMatchBudget)
	}
	return nil
}

// maxMatchBudget leaves the job that decides time to carry its decision out.
const maxMatchBudget = 10 * time.Second

// Level returns the log level.
func (s Settings) Level() (l slog.Level, err error) {
	if err = l.UnmarshalText([]byte(s.LogLevel)); err != nil {
		return l, fmt.Errorf("--log-level: %q is none of debug, info, warn, error", s.LogLevel)
	}
	return l, nil
}

// Zone returns the time zone.
func (s Settings) Zone() (*time.Location, error) {
	z, err := time.LoadLocation(s.TimeZone)
	if err != nil {
		return nil, fmt.Errorf("--time-zone: there is no zone %q", s.TimeZone)
	}
	return z, nil
}

// DatabaseTarget returns what to open: the database named, or the one in the data directory.
func (s Settings) DatabaseTarget() string {
	if s.Database != "" {
		return s.Database
	}
	return "sqlite:" + filepath.Join(s.Data, "spotpool.db")
}

// Environ returns the settings as variables, NAME=value, with which another
// process of the program has the same ones.
func (s Settings) Environ() (env []string) {
	v := reflect.ValueOf(s)
	for f := range fields() {
		env = append(env, fmt.Sprintf("%s=%v", EnvName(f.flag), v.Field(f.index).Interface()))
	}
	return env
}

// Example returns the text of .env.example: every variable with its meaning and default.
func Example() string {
	var b strings.Builder
	b.WriteString("# Every setting of spotpool, with its default. A flag of the same name wins:\n")
	b.WriteString("# SPOTPOOL_SMS_PER_SECOND is --sms-per-second. Keys to other services have no flag.\n")
	for f := range fields() {
		fmt.Fprintf(&b, "\n# %s\n%s=%s\n", f.help, EnvName(f.flag), f.def)
	}
	return b.String()
}

// Lookup reads the process's environment; an empty variable counts as unset.
func Lookup(name string) (string, bool) {
	v, ok := os.LookupEnv(name)
	return v, ok && v != ""
}
