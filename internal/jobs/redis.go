package jobs

import (
	"context"
	"crypto/tls"
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/hibiken/asynq"
)

// ParseRedis reads the address of a Redis server:
//
//	redis://user:password@host:port/db    a single server; rediss:// for TLS
//	redis-sentinel://:password@h1:p1,h2:p2/db?master=name
//	redis-cluster://user:password@h1:p1,h2:p2
//	host:port                             a single server without a password
func ParseRedis(target string) (asynq.RedisConnOpt, error) {
	if !strings.Contains(target, "://") {
		target = "redis://" + target
	}
	if strings.HasPrefix(target, "redis-cluster://") || strings.HasPrefix(target, "rediss-cluster://") {
		return parseCluster(target)
	}
	conn, err := asynq.ParseRedisURI(target)
	if err != nil {
		return nil, errors.New("redis: want redis://user:password@host:port/db, rediss://, redis-sentinel:// or redis-cluster://")
	}
	if single, ok := conn.(asynq.RedisClientOpt); ok {
		u, err := url.Parse(target)
		if err != nil {
			return nil, err
		}
		single.Username = u.User.Username() // asynq reads the password only
		single.DialTimeout = 2 * time.Second
		return single, nil
	}
	return conn, nil
}

func parseCluster(target string) (asynq.RedisConnOpt, error) {
	scheme, rest, _ := strings.Cut(target, "://")
	conn := asynq.RedisClusterClientOpt{DialTimeout: 2 * time.Second}
	if user, hosts, ok := strings.Cut(rest, "@"); ok {
		conn.Username, conn.Password, _ = strings.Cut(user, ":")
		rest = hosts
	}
	rest = strings.Trim(rest, "/")
	if rest == "" {
		return nil, errors.New("redis: redis-cluster:// names no host")
	}
	conn.Addrs = strings.Split(rest, ",")
	if scheme == "rediss-cluster" {
		host, _, _ := strings.Cut(conn.Addrs[0], ":")
		conn.TLSConfig = &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	}
	return conn, nil
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
