package config

import (
	"os"
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
		{"--log-level=loud", "--log-level"},
		{"--time-zone=Mars/Olympus", "--time-zone"},
		{"--queues=a=0", "--queues"},
		{"--queues=", "--queues"},
		{"--sandbox-decline=101", "--sandbox-decline"},
		{"--secret=short", "--secret"},
		{"--user-rate=fast", "--user-rate"},
	} {
		_, err := load(t, nil, c.arg)
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
