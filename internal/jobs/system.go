package jobs

import (
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/hibiken/asynq"
	"github.com/hibiken/asynqmon"
	"github.com/redis/go-redis/v9"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/seal"
)

// System is the queue of one process: its connection to Redis, and the client,
// workers and monitor made from it.
type System struct {
	core      *core
	redis     redis.UniversalClient
	conn      asynq.RedisConnOpt
	inspector *asynq.Inspector
	metrics   *Metrics
	log       *slog.Logger
	monitors  []*asynqmon.HTTPHandler
}

// Options is what a System is built from.
type Options struct {
	DB        *db.DB
	Redis     asynq.RedisConnOpt
	Clock     clock.Clock
	Box       *seal.Box     // seals the arguments of sealed kinds
	Retention time.Duration // how long asynqmon shows finished jobs
	Metrics   *Metrics
	Log       *slog.Logger
}

// New connects lazily: it succeeds while Redis is down.
func New(o Options) *System {
	rdb := o.Redis.MakeRedisClient().(redis.UniversalClient)
	inspector := asynq.NewInspectorFromRedisClient(rdb)
	courier := newCourier(asynq.NewClientFromRedisClient(rdb), inspector, o.Clock, o.Retention, o.Log)
	return &System{
		core:      &core{db: o.DB, clock: o.Clock, box: o.Box, courier: courier},
		redis:     rdb,
		conn:      o.Redis,
		inspector: inspector,
		metrics:   o.Metrics,
		log:       o.Log,
	}
}

// Client returns the client that starts jobs.
func (s *System) Client() *Client { return &Client{core: s.core} }

// Redis returns the connection for other uses of the same server.
func (s *System) Redis() redis.UniversalClient { return s.redis }

// Worker returns a worker for the kinds of the registry.
func (s *System) Worker(r *Registry, cfg WorkerConfig) *Worker {
	return &Worker{core: s.core, registry: r, cfg: cfg, sys: s, metrics: s.metrics, log: s.log}
}

// Monitor returns asynqmon's pages, to be mounted under root. They show a job's
// arguments in place of its bare id; those of sealed kinds stay masked.
func (s *System) Monitor(root string) http.Handler {
	h := asynqmon.New(asynqmon.Options{
		RootPath:         root,
		RedisConnOpt:     s.conn,
		PayloadFormatter: asynqmon.PayloadFormatterFunc(s.core.readable),
		ResultFormatter:  asynqmon.ResultFormatterFunc(func(string, []byte) string { return "" }), // results are in the database
	})
	s.monitors = append(s.monitors, h)
	return h
}

// Close carries the last jobs to Redis and closes the connections. Workers must
// have stopped before.
func (s *System) Close() error {
	s.core.courier.close()
	var errs []error
	for _, m := range s.monitors {
		errs = append(errs, m.Close())
	}
	return errors.Join(append(errs, s.redis.Close())...)
}
