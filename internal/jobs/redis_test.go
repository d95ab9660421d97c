package jobs

import (
	"fmt"
	"testing"

	"github.com/hibiken/asynq"
)

func TestParseRedis(t *testing.T) {
	for target, want := range map[string]string{
		"127.0.0.1:6379":                  "single 127.0.0.1:6379 : db 0 tls false",
		"redis://h":                       "single h:6379 : db 0 tls false",
		"redis://:pw@h:1/3":               "single h:1 :pw db 3 tls false",
		"rediss://me:p%40ss@h:1":          "single h:1 me:p@ss db 0 tls true",
		"redis-cluster://me:pw@a:1,b:2":   "cluster [a:1 b:2] me:pw tls false",
		"rediss-cluster://a:1":            "cluster [a:1] : tls true",
		"redis-sentinel://a:1/2?master=m": "sentinel m [a:1] : db 2 tls false",
		"redis-sentinel://u:p@a:1,b:2?master=m&sentinel_password=s": "sentinel m [a:1 b:2] u:p db 0 tls false s",
		"redis-sentinel://a:1": "", "gopher://h": "", "redis://": "", "redis://h/x": "", "redis://a,b": "", "redisx://a": "",
	} {
		conn, err := ParseRedis(target)
		got := ""
		switch c := conn.(type) {
		case asynq.RedisClientOpt:
			got = fmt.Sprintf("single %s %s:%s db %d tls %v", c.Addr, c.Username, c.Password, c.DB, c.TLSConfig != nil)
		case asynq.RedisClusterClientOpt:
			got = fmt.Sprintf("cluster %v %s:%s tls %v", c.Addrs, c.Username, c.Password, c.TLSConfig != nil)
		case asynq.RedisFailoverClientOpt:
			got = fmt.Sprintf("sentinel %s %v %s:%s db %d tls %v", c.MasterName, c.SentinelAddrs, c.Username, c.Password, c.DB, c.TLSConfig != nil)
			if c.SentinelPassword != "" {
				got += " " + c.SentinelPassword
			}
		}
		if got != want || (want == "") != (err != nil) {
			t.Errorf("%s: %q, %v; want %q", target, got, err, want)
		}
	}
}
