package main

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/spotpool/spotpool/internal/db"
)

const (
	stopTimeout  = 10 * time.Second
	startTimeout = 10 * time.Second
)

// Servers is where the engines find their servers. All that use Redis share
// one, emptied before every run.
type Servers struct {
	RedisAddr string // host:port; empty: a redis-server of our own with its stock settings
	MySQL     string // mysql://user:password@host:port/
	Postgres  string // postgres://user:password@host:port/

	database string // made and dropped here, on both SQL servers
	redis    *redis.Client
	stop     func() error
}

// Open starts Redis, or checks that the given one is empty.
func (s *Servers) Open(ctx context.Context) error {
	s.database, s.stop = fmt.Sprintf("spotpool_peers_%d", os.Getpid()), func() error { return nil }
	if s.RedisAddr == "" {
		if err := s.startRedis(); err != nil {
			return err
		}
	}
	s.redis = redis.NewClient(&redis.Options{Addr: s.RedisAddr})
	for deadline := time.Now().Add(startTimeout); ; time.Sleep(20 * time.Millisecond) {
		n, err := s.redis.DBSize(ctx).Result()
		switch {
		case err == nil && n == 0:
			return nil
		case err == nil:
			err = fmt.Errorf("%s holds %d keys; every run empties it, so give one that is empty", s.RedisAddr, n)
		case time.Now().Before(deadline):
			continue
		}
		return errors.Join(err, s.Close())
	}
}

// startRedis starts redis-server without a configuration file on a free port.
func (s *Servers) startRedis() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s.RedisAddr = l.Addr().String()
	_, port, _ := net.SplitHostPort(s.RedisAddr)
	dir, err := os.MkdirTemp("", "spotpool-peers-")
	if err := errors.Join(err, l.Close()); err != nil {
		return err
	}
	var out bytes.Buffer
	cmd := exec.Command("redis-server", "--port", port, "--bind", "127.0.0.1", "--dir", dir)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	s.stop = func() error {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return os.RemoveAll(dir)
	}
	return nil
}

// Close stops the Redis that Open started.
func (s *Servers) Close() error { return errors.Join(s.redis.Close(), s.stop()) }

func (s *Servers) flush(ctx context.Context) error { return s.redis.FlushDB(ctx).Err() }

func (s *Servers) redisVersion(ctx context.Context) (string, error) {
	info, err := s.redis.Info(ctx, "server").Result()
	if err != nil {
		return "", err
	}
	_, rest, _ := strings.Cut(info, "redis_version:")
	version, _, _ := strings.Cut(rest, "\r")
	return "Redis " + version, nil
}

func (s *Servers) mysqlTarget() string { return strings.TrimSuffix(s.MySQL, "/") + "/" + s.database }
func (s *Servers) postgresTarget() string {
	return strings.TrimSuffix(s.Postgres, "/") + "/" + s.database
}

// openMySQL makes a database and returns connections to it.
func (s *Servers) openMySQL(ctx context.Context) (*sql.DB, error) {
	cfg, err := db.MySQLConfig(s.mysqlTarget())
	if err != nil {
		return nil, err
	}
	root := cfg.Clone()
	root.DBName = ""
	if err := createMySQL(ctx, root, s.database); err != nil {
		return nil, err
	}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

func createMySQL(ctx context.Context, cfg *mysql.Config, name string) error {
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return err
	}
	pool := sql.OpenDB(connector)
	_, err = pool.ExecContext(ctx, "CREATE DATABASE "+name+" CHARACTER SET utf8mb4")
	return errors.Join(err, pool.Close())
}

// openPostgres makes a database and returns a connection to the server.
func (s *Servers) openPostgres(ctx context.Context) (*pgx.Conn, error) {
	conn, err := pgx.Connect(ctx, strings.TrimSuffix(s.Postgres, "/")+"/postgres")
	if err != nil {
		return nil, err
	}
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+s.database); err != nil {
		return nil, errors.Join(err, conn.Close(ctx))
	}
	return conn, nil
}

// commands is what Redis was asked to do.
type commands struct{ sent, inLua int64 }

// watch counts commands with MONITOR until the function it returns is called.
// Redis is slower meanwhile.
func (s *Servers) watch(ctx context.Context) (end func() (commands, error), err error) {
	conn, err := net.Dial("tcp", s.RedisAddr)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Write([]byte("MONITOR\r\n")); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	const mark = "spotpool-peers-end"
	lines := bufio.NewReaderSize(conn, 1<<20)
	if _, err := lines.ReadString('\n'); err != nil { // +OK
		return nil, errors.Join(err, conn.Close())
	}
	var n commands
	read := make(chan error, 1)
	go func() {
		for {
			line, err := lines.ReadString('\n')
			if err != nil || strings.Contains(line, mark) {
				read <- err
				return
			}
			if strings.Contains(line[:min(len(line), 64)], " lua] ") {
				n.inLua++
			} else {
				n.sent++
			}
		}
	}()
	return func() (commands, error) {
		defer func() { _ = conn.Close() }()
		if err := s.redis.Echo(ctx, mark).Err(); err != nil {
			return n, err
		}
		err := <-read
		return n, err
	}, nil
}
