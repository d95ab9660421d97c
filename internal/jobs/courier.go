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
	"github.com/redis/go-redis/v9"
	"golang.org/x/time/rate"
	"google.golang.org/protobuf/encoding/protowire"

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
	row        *jobRow // as it was written, for a worker of this process that waits; may be nil
	run        bool    // already there, but put off: run it now
	hurries    int     // how often that was tried
}

// payload is "id:generation"; it is also the asynq task's id, so that a job is
// in Redis at most once.
func (d delivery) payload() string { return d.id.String() + ":" + strconv.Itoa(d.generation) }

// message returns the task as asynq's client writes it: its protocol buffer
// TaskMessage, whose fields are numbered as in asynq's internal/proto/asynq.proto.
func (d delivery) message(id string, retention time.Duration) []byte {
	b := make([]byte, 0, 2*len(id)+len(d.kind)+len(d.queue)+24)
	for field, text := range []string{1: d.kind, 2: id, 3: id, 4: d.queue} {
		if field > 0 {
			b = protowire.AppendString(protowire.AppendTag(b, protowire.Number(field), protowire.BytesType), text)
		}
	}
	for _, f := range []struct {
		number protowire.Number
		value  int64
	}{{5, maxRedeliveries}, {8, int64(redisDeadline.Seconds())}, {12, int64(retention.Seconds())}} {
		if f.value > 0 {
			b = protowire.AppendVarint(protowire.AppendTag(b, f.number, protowire.VarintType), uint64(f.value))
		}
	}
	return b
}

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
	// deliveryTimeout bounds an announcement, and the freeing of a lock.
	deliveryTimeout = 2 * time.Second
	couriers        = 2  // that put what is due into Redis
	otherCouriers   = 64 // side by side, so that they go in few pipelines
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
	brokers   []*broker
	known     sync.Map // queues that Redis was told of
}

// lanes are the parcels of one broker, so that one that is down holds up no other.
type lanes struct {
	due    *grouper[*parcel] // to be put into Redis for now
	others *grouper[*parcel] // to be put there for later, or told to run
}

// parcel is a delivery under way.
type parcel struct {
	delivery
	sent   time.Time // when it was handed over, which is right after the commit
	stored bool      // false: Redis had it already
	err    error
	done   chan struct{} // nil when nobody waits
}

func newCourier(to func(queue string) *broker, brokers []*broker, clk clock.Clock, retention time.Duration, log *slog.Logger) *courier {
	c := &courier{
		to: to, brokers: brokers, clock: clk, retention: retention, log: log,
		complain: rate.NewLimiter(rate.Every(5*time.Second), 1),
	}
	for _, b := range brokers {
		b.due = newGrouper(couriers, groupMost, c.putAll)
		b.others = newGrouper(otherCouriers, 1, func(one []*parcel) { c.carry(one[0]) })
	}
	return c
}

// send hands deliveries over without waiting. What is more than fits is left to
// the sweep.
func (c *courier) send(ds ...delivery) {
	if c == nil || len(ds) == 0 {
		return
	}
	now, sent := c.clock.Now(), time.Now()
	parcels := make([]parcel, len(ds))
	lists := map[*grouper[*parcel]][]*parcel{}
	for i, d := range ds {
		to := c.to(d.queue)
		if parcels[i].delivery, parcels[i].sent = d, sent; !to.awaited(d.queue) {
			parcels[i].row = nil // it may wait here for long, and there are many
		}
		lane := to.due
		if d.run || d.due.After(now) {
			lane = to.others
		}
		lists[lane] = append(lists[lane], &parcels[i])
	}
	for lane, list := range lists {
		lane.addSome(courierBacklog, list)
	}
}

// runNow makes jobs that wait in Redis for their time run at once.
func (c *courier) runNow(ds ...delivery) {
	for i := range ds {
		ds[i].run = true
	}
	c.send(ds...)
}

// close carries what was handed over, and after a second only what is under way.
func (c *courier) close() {
	if c == nil {
		return
	}
	defer time.AfterFunc(lastCarries, c.drop).Stop()
	var all sync.WaitGroup
	for _, b := range c.brokers {
		all.Go(b.due.close)
		all.Go(b.others.close)
	}
	all.Wait()
}

// drop leaves what is left to the sweep.
func (c *courier) drop() {
	for _, b := range c.brokers {
		b.others.drop()
		for _, p := range b.due.drop() {
			if p.err = errClosed; p.done != nil {
				close(p.done)
			}
		}
	}
}

// put stores a delivery that is due in Redis and reports false when it was there
// already. It returns errClosed when the courier is.
func (c *courier) put(ctx context.Context, d delivery) (stored bool, err error) {
	p := &parcel{delivery: d, done: make(chan struct{})}
	if !c.to(d.queue).due.add(p) {
		return false, errClosed
	}
	select {
	case <-p.done:
		return p.stored, p.err
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// putAll stores deliveries that are due, those of one queue in one call.
func (c *courier) putAll(group []*parcel) {
	byQueue := map[string][]*parcel{}
	for _, p := range group {
		byQueue[p.queue] = append(byQueue[p.queue], p)
	}
	for queue, ps := range byQueue {
		err := c.putInto(queue, ps)
		for _, p := range ps {
			if p.err = err; p.done != nil {
				close(p.done)
			} else {
				c.failed(p.delivery, err)
			}
		}
	}
}

func (c *courier) putInto(queue string, ps []*parcel) error {
	ctx, cancel := context.WithTimeout(context.Background(), lineTimeout)
	defer cancel()
	to := c.to(queue).redis
	if _, known := c.known.Load(queue); !known {
		if err := to.SAdd(ctx, queuesKey, queue).Err(); err != nil {
			return err
		}
		c.known.Store(queue, true)
	}
	ids := make([]string, len(ps))
	keys, args := append(make([]string, 0, len(ps)+4), takeKeys(queue)...), make([]any, 0, 2*len(ps)+6)
	for i, p := range ps {
		ids[i] = p.payload()
		keys = append(keys, taskPrefix(queue)+ids[i])
	}
	h := c.to(queue).handover(queue, ids, ps)
	args = append(args, time.Now().UnixNano(), workChannel, queue, time.Now().Add(asynqLease).Unix(), taskPrefix(queue), h.room)
	for i, p := range ps {
		args = append(args, p.message(ids[i], c.retention), ids[i])
	}
	stored, taken, err := enqueued(h.run(ctx, to, enqueueAll, keys, args))
	h.finish(taken)
	if err != nil {
		return err
	}
	for i, p := range ps {
		p.stored = stored[i] == int64(1)
	}
	return nil
}

// enqueued reads what enqueueAll said.
func enqueued(cmd *redis.Cmd) (stored []any, taken []string, err error) {
	said, err := cmd.Slice()
	if err != nil {
		return nil, nil, err
	}
	texts := said[1].([]any)
	taken = make([]string, len(texts))
	for i, text := range texts {
		taken[i] = text.(string)
	}
	return said[0].([]any), taken, nil
}

// carry deals with a delivery that is not due, or that waits in Redis.
func (c *courier) carry(p *parcel) {
	if p.run {
		c.failed(p.delivery, c.hurry(p.delivery))
		return
	}
	if !p.due.After(c.clock.Now()) { // by now
		c.send(p.delivery)
		return
	}
	_, err := c.to(p.queue).client.Enqueue(asynq.NewTask(p.kind, []byte(p.payload())),
		asynq.TaskID(p.payload()), asynq.Queue(p.queue), asynq.MaxRetry(maxRedeliveries),
		asynq.Timeout(redisDeadline), asynq.Retention(c.retention), asynq.ProcessIn(clock.Wall(c.clock, p.due.Sub(c.clock.Now()))))
	if !errors.Is(err, asynq.ErrTaskIDConflict) {
		c.failed(p.delivery, err)
	}
}

// failed says now and then that Redis does not take jobs.
func (c *courier) failed(d delivery, err error) {
	if err != nil && c.complain.Allow() {
		c.log.Warn("Redis did not take a job; the sweep will deliver it", "job_id", d.id, "kind", d.kind, "err", err)
	}
}

// hurry makes a delivery that waits for its time run now.
func (c *courier) hurry(d delivery) error {
	err := c.to(d.queue).inspector.RunTask(d.queue, d.payload())
	if errors.Is(err, asynq.ErrTaskNotFound) || errors.Is(err, asynq.ErrQueueNotFound) {
		d.due, d.run = c.clock.Now(), false
		c.send(d)
		return nil
	}
	if err == nil {
		c.to(d.queue).announce(d.queue)
		return nil
	}
	info, gone := c.to(d.queue).inspector.GetTaskInfo(d.queue, d.payload())
	if gone != nil {
		return err
	}
	again, waits := unhurried(info.State)
	switch {
	case again && d.hurries < maxHurries:
		d.hurries++
		time.AfterFunc(hurryAgain, func() { c.send(d) })
	case waits:
		return err
	}
	return nil // it runs soon, sees the wake when it ends, or has ended
}

// unhurried says what to do about a task that could not be hurried and is in a state
// now: whether to try again, and whether it waits for its time unless that helps. One
// that runs may have released itself a moment ago and be on its way back, or have come
// back since it was asked.
func unhurried(s asynq.TaskState) (again, waits bool) {
	waits = s == asynq.TaskStateScheduled || s == asynq.TaskStateRetry
	return waits || s == asynq.TaskStateActive, waits
}
