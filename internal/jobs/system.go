package jobs

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/hibiken/asynq"
	"github.com/hibiken/asynqmon"
	"github.com/redis/go-redis/v9"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/seal"
)

// System is the queue of one process: its connections to Redis, and the client,
// workers and monitor made from them.
type System struct {
	core     *core
	conn     asynq.RedisConnOpt
	home     *broker            // of the queues that have no connection of their own
	others   map[string]*broker // by queue
	metrics  *Metrics
	log      *slog.Logger
	monitors []*asynqmon.HTTPHandler
}

// Options is what a System is built from.
type Options struct {
	DB *db.DB

	// Redis is where jobs are delivered. Without it nothing is: jobs run where
	// Worker.Drain or Worker.RunSync is called, and nowhere else.
	Redis asynq.RedisConnOpt

	// Connections names queues that live on a Redis of their own, so that a flood
	// in one cannot starve the others. All processes must agree on it.
	Connections map[string]asynq.RedisConnOpt

	Clock     clock.Clock
	Box       *seal.Box     // seals the arguments of sealed kinds
	Retention time.Duration // how long asynqmon shows finished jobs
	Metrics   *Metrics
	Log       *slog.Logger
}

// New connects lazily: it succeeds while Redis is down.
func New(o Options) *System {
	s := &System{conn: o.Redis, others: map[string]*broker{}, metrics: o.Metrics, log: o.Log}
	c := &core{db: o.DB, clock: o.Clock, box: o.Box, log: o.Log}
	if o.Redis != nil {
		s.home = newBroker(o.Redis)
		for queue, conn := range o.Connections {
			s.others[queue] = newBroker(conn)
		}
		c.courier = newCourier(s.broker, s.brokers(), o.Clock, o.Retention, o.Log)
	}
	c.loads = newGrouper(loaders, groupMost, c.loadTogether)
	c.endings = newGrouper(enders, groupMost, c.endTogether)
	c.starts = newGrouper(starters, groupMost, c.startTogether)
	s.core = c
	return s
}

// How many groups of loads, of endings and of starts are under way at a time.
const (
	loaders  = 2
	enders   = 2
	starters = 2
)

// broker returns where a queue lives.
func (s *System) broker(queue string) *broker {
	if b := s.others[queue]; b != nil {
		return b
	}
	return s.home
}

// errNoRedis says that the system was built to run without Redis.
var errNoRedis = errors.New("jobs: this queue has no Redis")

// delivers reports whether there is a Redis.
func (s *System) delivers() bool { return s.home != nil }

// brokers returns all of them.
func (s *System) brokers() []*broker {
	if !s.delivers() {
		return nil
	}
	all := []*broker{s.home}
	for _, b := range s.others {
		all = append(all, b)
	}
	return all
}

// Client returns the client that starts jobs.
func (s *System) Client() *Client { return &Client{core: s.core} }

// Redis returns the connection for other uses of the same server, nil where
// there is none.
func (s *System) Redis() redis.UniversalClient {
	if !s.delivers() {
		return nil
	}
	return s.home.redis
}

// Observe adds a listener to the events of this process's jobs. It must be added
// before jobs are started, be safe for concurrent use and not block.
func (s *System) Observe(fn func(Event)) { s.core.observers = append(s.core.observers, fn) }

// Worker returns a worker for the kinds of the registry.
func (s *System) Worker(r *Registry, cfg WorkerConfig) *Worker {
	return &Worker{core: s.core, registry: r, cfg: cfg, sys: s, metrics: s.metrics, log: s.log}
}

// Monitor returns asynqmon's pages, to be mounted under root. They show a job's
// arguments in place of its bare id; those of sealed kinds stay masked. Queues
// with a Redis of their own are not shown.
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
	s.core.starts.close()
	s.core.courier.close()
	s.core.loads.close()
	s.core.endings.close()
	var errs []error
	for _, m := range s.monitors {
		errs = append(errs, m.Close())
	}
	for _, b := range s.brokers() {
		errs = append(errs, b.close())
	}
	return errors.Join(errs...)
}

// broker is one Redis.
type broker struct {
	redis     redis.UniversalClient
	line      *line
	client    *asynq.Client
	inspector *asynq.Inspector
	lanes     // of what goes there
	gates     // that take from there
}

func newBroker(conn asynq.RedisConnOpt) *broker {
	rdb := conn.MakeRedisClient().(redis.UniversalClient)
	l := newLine(rdb)
	return &broker{redis: rdb, line: l, client: asynq.NewClientFromRedisClient(l), inspector: asynq.NewInspectorFromRedisClient(l)}
}

// announce tells workers that a queue got work. It may be lost: they also look
// by themselves.
func (b *broker) announce(queue string) {
	ctx, cancel := context.WithTimeout(context.Background(), deliveryTimeout)
	defer cancel()
	_ = b.redis.Publish(ctx, workChannel, queue).Err()
}

func (b *broker) close() error {
	b.line.scripts.close()
	return b.redis.Close()
}

// Event says what became of a job.
type Event struct {
	JobID   uuid.UUID
	Kind    string
	Queue   string
	Tags    []string
	Flow    uuid.NullUUID
	Attempt int
	Result  string // queued, started, done, skipped, released, woken, retried, failed or put_off
	Took    time.Duration
	Err     error
}

func (c *core) tell(e Event) {
	for _, fn := range c.observers {
		if err := guarded(func() error { fn(e); return nil }); err != nil {
			c.log.Error("observer", "err", err)
		}
	}
}
