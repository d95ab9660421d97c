package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hibiken/asynq"
)

// WorkerConfig says how a worker process runs. Nothing in it has a default: Run
// refuses a configuration without queues, weights, concurrency, intervals and the
// stop timeout.
type WorkerConfig struct {
	Queues          map[string]int // name and weight: how often a queue is asked first
	Strict          bool           // a queue is asked only when those of greater weight are empty
	Concurrency     int            // jobs at a time
	PollInterval    time.Duration  // between looks at empty queues, in case that nobody says there is work
	DelayedInterval time.Duration  // between looks for delayed jobs that have come due
	SweepInterval   time.Duration  // between comparisons of the database with Redis
	StopTimeout     time.Duration  // how long running jobs may go on when the worker stops
	Periodic        []Periodic     // jobs begun by the clock

	// What a kind says is bounded by these, where they are not 0.
	MaxTimeout time.Duration
	MaxTries   int

	// The worker stops by itself, where these are not 0.
	MaxJobs       int           // after it has run so many
	MaxTime       time.Duration // after so long
	MaxMemory     uint64        // once the process holds more bytes
	StopWhenEmpty bool          // once no job of its queues is due
}

// check returns what the configuration leaves unsaid, all of it in one error.
func (c WorkerConfig) check() error {
	var wrong []string
	if len(c.Queues) == 0 {
		wrong = append(wrong, "no queues")
	}
	for _, name := range slices.Sorted(maps.Keys(c.Queues)) {
		if weight := c.Queues[name]; weight < 1 {
			wrong = append(wrong, fmt.Sprintf("queue %q has the weight %d", name, weight))
		}
	}
	if c.Concurrency < 1 {
		wrong = append(wrong, fmt.Sprintf("Concurrency is %d", c.Concurrency))
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"PollInterval", c.PollInterval}, {"DelayedInterval", c.DelayedInterval},
		{"SweepInterval", c.SweepInterval}, {"StopTimeout", c.StopTimeout},
	} {
		if d.value <= 0 {
			wrong = append(wrong, fmt.Sprintf("%s is %s", d.name, d.value))
		}
	}
	for i, p := range c.Periodic {
		if p.Every <= 0 || p.Job == nil {
			wrong = append(wrong, fmt.Sprintf("number %d of Periodic has no interval or no job", i+1))
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	return fmt.Errorf("jobs: a worker cannot run so: %s", strings.Join(wrong, ", "))
}

// Worker runs jobs until it is stopped.
type Worker struct {
	core     *core
	registry *Registry
	cfg      WorkerConfig
	sys      *System
	metrics  *Metrics
	log      *slog.Logger
	slots    *slots
	running  atomic.Int64 // deliveries that are being dealt with
	left     atomic.Int64 // jobs that it may still run
	turn     sync.Mutex
	ahead    *aheads
}

// Run processes jobs until ctx is over or a limit of its configuration is
// reached, then lets what runs end within the stop timeout and puts the rest
// back. It goes on while Redis is away. A configuration that leaves something
// unsaid is an error; Sweep, Drain and RunSync ask for less.
func (w *Worker) Run(ctx context.Context) error {
	if err := w.cfg.check(); err != nil {
		return err
	}
	if !w.sys.delivers() {
		return errNoRedis
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var wg sync.WaitGroup
	var gates []*gate
	w.slots = newSlots(w.cfg.Concurrency)
	w.ahead = &aheads{read: w.core.readJobs}
	w.left.Store(unlimited)
	if w.cfg.MaxJobs > 0 {
		w.left.Store(int64(w.cfg.MaxJobs))
	}
	for b, queues := range w.byBroker() {
		g := &gate{
			line: b.line, queues: queues, poll: w.cfg.PollInterval, slots: w.slots, left: &w.left, turn: &w.turn,
			stop: make(chan struct{}), work: make(chan struct{}, 1), want: 1, ahead: w.ahead, news: newNews(w.cfg.PollInterval),
		}
		srv := asynq.NewServerFromRedisClient(g, w.serverConfig(queues))
		if err := srv.Start(asynq.HandlerFunc(w.process)); err != nil {
			closeAll(gates)
			return err
		}
		defer srv.Shutdown()
		gates = append(gates, g)
		defer b.join(g)()
		wg.Go(func() { g.listen(ctx) })
	}
	wg.Go(func() { w.sweepLoop(ctx) })
	wg.Go(func() { w.periodicLoop(ctx) })
	wg.Go(func() { w.watch(ctx, gates, stop) })
	<-ctx.Done()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		w.log.Info("worker stops", "why", cause)
	}
	closeAll(gates)
	wg.Wait()
	return nil
}

// byBroker returns the worker's queues by the Redis that they live on.
func (w *Worker) byBroker() map[*broker]map[string]int {
	by := map[*broker]map[string]int{}
	for queue, weight := range w.cfg.Queues {
		b := w.sys.broker(queue)
		if by[b] == nil {
			by[b] = map[string]int{}
		}
		by[b][queue] = weight
	}
	return by
}

// unlimited stands for no bound on the jobs a worker runs.
const unlimited = 1 << 40

// recordingMost is how many jobs more than have a slot asynq may hold: those
// whose outcome is being recorded.
const recordingMost = 2 * groupMost

// lookPause is how long asynq sleeps after a look that found nothing. It is
// short because the look itself waits, in the gate.
const lookPause = 200 * time.Microsecond

func (w *Worker) serverConfig(queues map[string]int) asynq.Config {
	return asynq.Config{
		Concurrency:              w.cfg.Concurrency + recordingMost,
		Queues:                   queues,
		StrictPriority:           w.cfg.Strict,
		TaskCheckInterval:        lookPause,
		DelayedTaskCheckInterval: w.cfg.DelayedInterval,
		ShutdownTimeout:          w.cfg.StopTimeout,
		IsFailure:                isFailure,
		RetryDelayFunc:           retryDelay,
		Logger:                   asynqLog{w.log},
		LogLevel:                 asynq.ErrorLevel, // of single tasks, report says more
	}
}

// queueNames returns the names of the worker's queues in order.
func (w *Worker) queueNames() []string { return slices.Sorted(maps.Keys(w.cfg.Queues)) }

// asynqLog passes asynq's own messages to slog.
type asynqLog struct{ log *slog.Logger }

func (l asynqLog) Debug(args ...any) { l.log.Debug(fmt.Sprint(args...)) }
func (l asynqLog) Info(args ...any)  { l.log.Info(fmt.Sprint(args...)) }
func (l asynqLog) Warn(args ...any)  { l.log.Warn(fmt.Sprint(args...)) }
func (l asynqLog) Error(args ...any) { l.log.Error(fmt.Sprint(args...)) }
func (l asynqLog) Fatal(args ...any) { l.log.Error(fmt.Sprint(args...)) }
