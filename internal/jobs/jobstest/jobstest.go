// Package jobstest runs the queue in tests, in one of three ways:
//
//   - A Recorder takes a Client's place where a feature only asks for jobs. It
//     needs no database and runs nothing.
//   - NewSync gives a queue without Redis on a database of the test's own, under
//     a clock that the test moves. Jobs run when the test says Drain or Run, one
//     after another, so that delays, releases and backoffs come out the same every
//     time.
//   - New gives the whole queue, on a database and a Redis of the test's own, with
//     workers beside the test and waiting that ends at a signal or a deadline.
//
// The assertions, such as AssertStarted, read any of the three.
package jobstest

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/db/dbtest"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/seal"
)

// Deadline is how long a test waits for what should happen at once, generous for slow machines.
const Deadline = 60 * time.Second

// Box is a box under a fixed secret.
func Box(t testing.TB) *seal.Box {
	t.Helper()
	box, err := seal.NewBox([]byte("a secret for tests only"))
	if err != nil {
		t.Fatal(err)
	}
	return box
}

// Harness is a queue of the test's own.
type Harness struct {
	DB       *db.DB
	Redis    asynq.RedisConnOpt // nil under NewSync
	Clock    *clock.Fake        // nil unless under NewSync
	System   *jobs.System
	Client   *jobs.Client
	Registry *jobs.Registry

	t      testing.TB
	mu     sync.Mutex
	events []jobs.Event
	happen chan struct{}
}

// New returns a harness on a fresh database and an empty Redis. No worker runs yet.
func New(t testing.TB) *Harness {
	t.Helper()
	return On(t, dbtest.Open(t), Redis(t))
}

// On returns a harness on the given servers.
func On(t testing.TB, d *db.DB, conn asynq.RedisConnOpt) *Harness {
	t.Helper()
	return With(t, d, jobs.Options{Redis: conn})
}

// With returns a harness on the given database, and with the servers and the clock that
// the options name; without one, the system's.
func With(t testing.TB, d *db.DB, o jobs.Options) *Harness {
	t.Helper()
	h := newHarness(t, d)
	if h.Redis = o.Redis; o.Clock == nil {
		o.Clock = clock.System{}
	}
	h.build(o)
	return h
}

func newHarness(t testing.TB, d *db.DB) *Harness {
	return &Harness{DB: d, Registry: jobs.NewRegistry(), t: t, happen: make(chan struct{}, 1)}
}

// build makes the system that the options describe, with what all tests have alike.
func (h *Harness) build(o jobs.Options) {
	h.t.Helper()
	o.DB, o.Box, o.Retention, o.Log = h.DB, Box(h.t), time.Hour, slog.New(slog.DiscardHandler)
	h.System = jobs.New(o)
	h.Client = h.System.Client()
	h.System.Observe(h.observe)
	h.t.Cleanup(func() { _ = h.System.Close() })
}

// Config is a worker's configuration with short intervals, for the given queues.
func Config(queues ...string) jobs.WorkerConfig {
	cfg := jobs.WorkerConfig{
		Queues: map[string]int{}, Concurrency: 8, PollInterval: 5 * time.Millisecond, DelayedInterval: 20 * time.Millisecond,
		SweepInterval: 200 * time.Millisecond, StopTimeout: 2 * time.Second,
	}
	for _, q := range queues {
		cfg.Queues[q] = 1
	}
	return cfg
}

// Work runs a worker for the given queues until the test ends or stop is called.
func (h *Harness) Work(queues ...string) (stop func()) { return h.WorkWith(Config(queues...)) }

// WorkWith runs a worker with the given configuration.
func (h *Harness) WorkWith(cfg jobs.WorkerConfig) (stop func()) {
	h.t.Helper()
	w := h.System.Worker(h.Registry, cfg)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil && ctx.Err() == nil {
			h.t.Errorf("worker: %v", err)
		}
	})
	h.t.Cleanup(stop)
	return stop
}

func (h *Harness) observe(e jobs.Event) {
	h.mu.Lock()
	h.events = append(h.events, e)
	h.mu.Unlock()
	select {
	case h.happen <- struct{}{}:
	default:
	}
}

// Events returns how often each "kind result" was seen so far.
func (h *Harness) Events() map[string]int {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := map[string]int{}
	for _, e := range h.events {
		n[e.Kind+" "+e.Result]++
	}
	return n
}

// Await checks after every attempt whether ok holds and fails the test when it
// does not within the deadline. Only one goroutine may wait at a time.
func (h *Harness) Await(what string, ok func() bool) {
	h.t.Helper()
	deadline := time.After(Deadline)
	// An effect may become visible a moment after the last attempt was reported.
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-h.happen:
		case <-tick.C:
		case <-deadline:
			h.t.Fatalf("not within %s: %s; attempts so far: %v", Deadline, what, h.Events())
		}
	}
}

// Start starts a flow for a new subject and returns the subject's id.
func (h *Harness) Start(f jobs.Flow) uuid.UUID {
	h.t.Helper()
	subject := uuid.Must(uuid.NewV7())
	err := h.DB.Tx(context.Background(), func(tx *db.Tx) error {
		_, err := h.Client.Start(tx, jobs.Subject{Kind: "test", ID: subject}, f)
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return subject
}

// Dispatch starts single jobs.
func (h *Harness) Dispatch(js ...jobs.Job) {
	h.t.Helper()
	if err := h.DB.Tx(context.Background(), func(tx *db.Tx) error { return h.Client.Dispatch(tx, js...) }); err != nil {
		h.t.Fatal(err)
	}
}

// Flow returns the newest flow of a subject.
func (h *Harness) Flow(subject uuid.UUID) jobs.FlowView {
	h.t.Helper()
	v, ok, err := h.Client.FlowOf(context.Background(), subject)
	if err != nil || !ok {
		h.t.Fatalf("flow of %s: found %v, %v", subject, ok, err)
	}
	return v
}

// AwaitFlow waits until the subject's flow has the given state and returns it.
func (h *Harness) AwaitFlow(subject uuid.UUID, state string) (v jobs.FlowView) {
	h.t.Helper()
	h.Await("flow "+state, func() bool {
		v = h.Flow(subject)
		return v.State == state
	})
	return v
}

// Redis returns the address of an empty Redis of the test's own: an embedded
// server, or, when SPOTPOOL_TEST_REDIS names one, a numbered database of it that
// no other test uses meanwhile.
func Redis(t testing.TB) asynq.RedisConnOpt {
	t.Helper()
	target := os.Getenv("SPOTPOOL_TEST_REDIS")
	if target == "" {
		ctx, cancel := context.WithCancel(context.Background())
		t.Cleanup(cancel)
		conn, err := jobs.RunEmbedded(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}
	conn, err := jobs.ParseRedis(target)
	if err != nil {
		t.Fatal(err)
	}
	single, ok := conn.(asynq.RedisClientOpt)
	if !ok {
		t.Fatal("SPOTPOOL_TEST_REDIS must name a single server")
	}
	single.DB = lease(t, single)
	return single
}

// lease takes one of the server's databases 1 to 15 for the length of the test.
// The leases stand in database 0 and expire, should a test die.
func lease(t testing.TB, conn asynq.RedisClientOpt) int {
	ctx := context.Background()
	conn.DB = 0
	admin := conn.MakeRedisClient().(redis.UniversalClient)
	t.Cleanup(func() { _ = admin.Close() })
	deadline := time.After(5 * time.Minute)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		for n := 1; n <= 15; n++ {
			key := fmt.Sprintf("spotpool:test:db:%d", n)
			free, err := admin.SetNX(ctx, key, "leased", 10*time.Minute).Result()
			if err != nil {
				t.Fatal(err)
			}
			if !free {
				continue
			}
			flush(t, conn, n)
			t.Cleanup(func() {
				flush(t, conn, n)
				admin.Del(ctx, key)
			})
			return n
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("no free Redis database within 5 minutes")
		}
	}
}

func flush(t testing.TB, conn asynq.RedisClientOpt, n int) {
	conn.DB = n
	c := conn.MakeRedisClient().(redis.UniversalClient)
	defer func() { _ = c.Close() }()
	if err := c.FlushDB(context.Background()).Err(); err != nil {
		t.Fatal(err)
	}
}
