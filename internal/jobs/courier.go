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
	couriers        = 64
	courierBacklog  = 1 << 18
	hurryAgain      = 50 * time.Millisecond
	maxHurries      = 10
	lastCarries     = time.Second
)

// courier carries committed jobs to Redis in the background. It may lose any of
// them, when Redis is down or the process dies: the sweep puts them back. A nil
// courier carries nothing.
type courier struct {
	to        func(queue string) *broker
	clock     clock.Clock
	retention time.Duration
	log       *slog.Logger
	complain  *rate.Limiter
	wg        sync.WaitGroup

	mu     sync.Mutex
	more   *sync.Cond   // there are deliveries, or there will be none
	queue  [][]delivery // as they were sent
	held   int          // how many that are
	closed bool
}

func newCourier(to func(queue string) *broker, clk clock.Clock, retention time.Duration, log *slog.Logger) *courier {
	c := &courier{
		to: to, clock: clk, retention: retention, log: log,
		complain: rate.NewLimiter(rate.Every(5*time.Second), 1),
	}
	c.more = sync.NewCond(&c.mu)
	for range couriers {
		c.wg.Go(c.carry)
	}
	return c
}

// send hands deliveries over without waiting. What is more than fits is left to
// the sweep.
func (c *courier) send(ds ...delivery) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	if ds = ds[:min(len(ds), courierBacklog-c.held)]; len(ds) == 0 {
		return
	}
	c.queue = append(c.queue, ds)
	if c.held += len(ds); len(ds) == 1 {
		c.more.Signal()
	} else {
		c.more.Broadcast()
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
	if c == nil {
		return
	}
	c.mu.Lock()
	c.closed = true
	c.more.Broadcast()
	c.mu.Unlock()
	defer time.AfterFunc(lastCarries, c.drop).Stop()
	c.wg.Wait()
}

// drop leaves what is left to the sweep.
func (c *courier) drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queue, c.held = nil, 0
}

// next waits for a delivery. It reports false when there will be none.
func (c *courier) next() (delivery, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.held == 0 && !c.closed {
		c.more.Wait()
	}
	if c.held == 0 {
		return delivery{}, false
	}
	first := c.queue[0]
	if c.held--; len(first) == 1 {
		c.queue = c.queue[1:]
	} else {
		c.queue[0] = first[1:]
	}
	return first[0], true
}

func (c *courier) carry() {
	for d, ok := c.next(); ok; d, ok = c.next() {
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
	opts := []asynq.Option{
		asynq.TaskID(d.payload()), asynq.Queue(d.queue), asynq.MaxRetry(maxRedeliveries),
		asynq.Timeout(redisDeadline), asynq.Retention(c.retention),
	}
	if wait := d.due.Sub(c.clock.Now()); wait > 0 {
		opts = append(opts, asynq.ProcessIn(wait))
	}
	_, err = c.to(d.queue).client.EnqueueContext(ctx, asynq.NewTask(d.kind, []byte(d.payload())), opts...)
	if errors.Is(err, asynq.ErrTaskIDConflict) {
		return false, nil
	}
	return err == nil, err
}

// hurry makes a delivery that waits for its time run now.
func (c *courier) hurry(d delivery) error {
	err := c.to(d.queue).inspector.RunTask(d.queue, d.payload())
	if errors.Is(err, asynq.ErrTaskNotFound) || errors.Is(err, asynq.ErrQueueNotFound) {
		d.due = c.clock.Now()
		_, err = c.put(context.Background(), d)
		return err
	}
	if err == nil {
		c.to(d.queue).announce(d.queue)
		return nil
	}
	info, gone := c.to(d.queue).inspector.GetTaskInfo(d.queue, d.payload())
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
