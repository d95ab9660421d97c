package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/hibiken/asynq"
	"golang.org/x/time/rate"

	"github.com/spotpool/spotpool/internal/clock"
)

// delivery is what Redis is told of a job: which one, and which of its
// deliveries counts. The asynq payload holds only this.
type delivery struct {
	id         uuid.UUID
	generation int
	kind       string
	queue      string
	due        time.Time
	run        bool // already there, but put off: run it now
	hurries    int  // how often that was tried
}

// payload is "id:generation"; it is also the asynq task's id, so that a job is
// in Redis at most once.
func (d delivery) payload() string { return d.id.String() + ":" + strconv.Itoa(d.generation) }

func parsePayload(p []byte) (id uuid.UUID, generation int, err error) {
	name, gen, ok := strings.Cut(string(p), ":")
	if !ok {
		return id, 0, fmt.Errorf("payload %q is not id:generation", p)
	}
	if id, err = uuid.Parse(name); err != nil {
		return id, 0, err
	}
	generation, err = strconv.Atoi(gen)
	return id, generation, err
}

const (
	// maxRedeliveries bounds asynq's own retries. It is far above any kind's
	// tries, because the database decides when a job is out of them.
	maxRedeliveries = 1000
	// redisDeadline is asynq's own limit on an attempt, a backstop behind the kind's timeout.
	redisDeadline = 24 * time.Hour
	// deliveryTimeout bounds one call to Redis; what fails is left to the sweep.
	deliveryTimeout = 2 * time.Second
	couriers        = 4
	courierBacklog  = 16384
	hurryAgain      = 50 * time.Millisecond
	maxHurries      = 10
	lastCarries     = time.Second
)

// courier carries committed jobs to Redis in the background. It may lose any of
// them, when Redis is down or the process dies: the sweep puts them back.
type courier struct {
	client    *asynq.Client
	inspector *asynq.Inspector
	clock     clock.Clock
	retention time.Duration
	log       *slog.Logger
	complain  *rate.Limiter
	in        chan delivery
	wg        sync.WaitGroup

	mu     sync.RWMutex
	closed bool
	giveUp chan struct{} // closed when what is left is left to the sweep
}

func newCourier(client *asynq.Client, inspector *asynq.Inspector, clk clock.Clock, retention time.Duration, log *slog.Logger) *courier {
	c := &courier{
		client: client, inspector: inspector, clock: clk, retention: retention, log: log,
		complain: rate.NewLimiter(rate.Every(5*time.Second), 1),
		in:       make(chan delivery, courierBacklog),
		giveUp:   make(chan struct{}),
	}
	for range couriers {
		c.wg.Go(c.carry)
	}
	return c
}

// send hands deliveries over without waiting.
func (c *courier) send(ds ...delivery) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.closed {
		return
	}
	for _, d := range ds {
		select {
		case c.in <- d:
		default: // more than fits: the sweep takes over
			return
		}
	}
}

// runNow makes jobs that wait in Redis for their time run at once.
func (c *courier) runNow(ds ...delivery) {
	for i := range ds {
		ds[i].run = true
	}
	c.send(ds...)
}

// close carries what was handed over, for a second at the most.
func (c *courier) close() {
	c.mu.Lock()
	if !c.closed {
		c.closed = true
		close(c.in)
		defer time.AfterFunc(lastCarries, func() { close(c.giveUp) }).Stop()
	}
	c.mu.Unlock()
	c.wg.Wait()
}

func (c *courier) carry() {
	for d := range c.in {
		select {
		case <-c.giveUp:
			continue
		default:
		}
		var err error
		if d.run {
			err = c.hurry(d)
		} else {
			_, err = c.put(context.Background(), d)
		}
		if err != nil && c.complain.Allow() {
			c.log.Warn("Redis did not take a job; the sweep will deliver it", "job_id", d.id, "kind", d.kind, "err", err)
		}
	}
}

// put stores a delivery in Redis and reports false when it was there already.
func (c *courier) put(ctx context.Context, d delivery) (stored bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, deliveryTimeout)
	defer cancel()
	opts := []asynq.Option{
		asynq.TaskID(d.payload()), asynq.Queue(d.queue), asynq.MaxRetry(maxRedeliveries),
		asynq.Timeout(redisDeadline), asynq.Retention(c.retention),
	}
	if wait := d.due.Sub(c.clock.Now()); wait > 0 {
		opts = append(opts, asynq.ProcessIn(wait))
	}
	_, err = c.client.EnqueueContext(ctx, asynq.NewTask(d.kind, []byte(d.payload())), opts...)
	if errors.Is(err, asynq.ErrTaskIDConflict) {
		return false, nil
	}
	return err == nil, err
}

// hurry makes a delivery that waits for its time run now.
func (c *courier) hurry(d delivery) error {
	err := c.inspector.RunTask(d.queue, d.payload())
	if errors.Is(err, asynq.ErrTaskNotFound) || errors.Is(err, asynq.ErrQueueNotFound) {
		d.due = c.clock.Now()
		_, err = c.put(context.Background(), d)
		return err
	}
	if err == nil {
		return nil
	}
	info, gone := c.inspector.GetTaskInfo(d.queue, d.payload())
	switch {
	case gone != nil:
		return err
	case info.State == asynq.TaskStateScheduled || info.State == asynq.TaskStateRetry:
		return err
	case info.State == asynq.TaskStateActive && d.hurries < maxHurries:
		// It may have released itself a moment ago and be on its way back.
		d.hurries++
		time.AfterFunc(hurryAgain, func() { c.send(d) })
	}
	return nil // it runs soon, sees the wake when it ends, or has ended
}
