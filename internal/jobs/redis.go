package jobs

import (
	"context"
	"crypto/tls"
	"errors"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/hibiken/asynq"
)

// ErrRedisTarget says that ParseRedis was given no address.
var ErrRedisTarget = errors.New("redis: want redis://user:password@host:port/db, redis-sentinel://h1,h2/db?master=name " +
	"or redis-cluster://h1,h2; rediss… for TLS")

const redisDialTimeout = 2 * time.Second

// ParseRedis reads the address of a Redis server. User and password are those
// of the server's ACL, percent-encoded where needed; with an "s" after redis the
// connection is TLS.
//
//	redis://user:password@host:port/db
//	redis-sentinel://user:password@h1:p1,h2:p2/db?master=name&sentinel_password=…
//	redis-cluster://user:password@h1:p1,h2:p2
//	host:port
func ParseRedis(target string) (asynq.RedisConnOpt, error) {
	if !strings.Contains(target, "://") {
		target = "redis://" + target
	}
	u, err := url.Parse(target)
	if err != nil || u.Host == "" {
		return nil, ErrRedisTarget
	}
	number := 0
	if path := strings.Trim(u.Path, "/"); path != "" {
		if number, err = strconv.Atoi(path); err != nil || number < 0 {
			return nil, ErrRedisTarget
		}
	}
	hosts := strings.Split(u.Host, ",")
	password, _ := u.User.Password()
	var secure *tls.Config
	kind := strings.TrimPrefix(u.Scheme, "redis")
	if rest, ok := strings.CutPrefix(kind, "s"); ok && (rest == "" || rest[0] == '-') {
		kind = rest
		host, _, _ := strings.Cut(hosts[0], ":")
		secure = &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	}
	switch {
	case kind == "" && len(hosts) == 1:
		if u.Port() == "" {
			hosts[0] += ":6379"
		}
		return asynq.RedisClientOpt{Addr: hosts[0], Username: u.User.Username(), Password: password, DB: number,
			TLSConfig: secure, DialTimeout: redisDialTimeout}, nil
	case kind == "-sentinel" && u.Query().Get("master") != "":
		return asynq.RedisFailoverClientOpt{MasterName: u.Query().Get("master"), SentinelAddrs: hosts,
			SentinelPassword: u.Query().Get("sentinel_password"), Username: u.User.Username(), Password: password,
			DB: number, TLSConfig: secure, DialTimeout: redisDialTimeout}, nil
	case kind == "-cluster" && number == 0:
		return asynq.RedisClusterClientOpt{Addrs: hosts, Username: u.User.Username(), Password: password,
			TLSConfig: secure, DialTimeout: redisDialTimeout}, nil
	}
	return nil, ErrRedisTarget
}

// RunEmbedded starts a Redis server inside the process, on a free loopback port,
// and stops it when ctx is over. It keeps nothing: what was in it is delivered
// anew by the sweep after the next start.
func RunEmbedded(ctx context.Context) (asynq.RedisConnOpt, error) {
	m := miniredis.NewMiniRedis()
	if err := m.StartAddr("127.0.0.1:0"); err != nil {
		return nil, err
	}
	go func() {
		defer m.Close()
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				m.FastForward(time.Second) // its keys expire only when told so
			}
		}
	}()
	return asynq.RedisClientOpt{Addr: m.Addr()}, nil
}
