package jobs

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
)

// asynqLease is how long asynq lets a task run before its worker has to say that it
// still lives: LeaseDuration in asynq's internal/rdb.
const asynqLease = 30 * time.Second

// takeKeys are the keys of asynq's script that takes one task.
func takeKeys(queue string) []string {
	return []string{pendingKey(queue), pausedKey(queue), activeKey(queue), leaseKey(queue)}
}

// gates are the workers of this process that take tasks from a Redis.
type gates struct {
	mu  sync.Mutex
	all []*gate
}

// join has a worker be handed tasks until the function that it returns is called.
func (gs *gates) join(g *gate) (leave func()) {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	gs.all = append(gs.all, g)
	return func() {
		gs.mu.Lock()
		defer gs.mu.Unlock()
		gs.all = slices.DeleteFunc(gs.all, func(other *gate) bool { return other == g })
	}
}

// handover is how tasks come to a worker of the same process that waits for work:
// the call that puts them into Redis takes as many for it as it has room for, those
// first that have waited longest. It saves an announcement and a look, and the jobs
// are read meanwhile.
type handover struct {
	to   *gate // nil: to nobody
	room int   // slots that are reserved
	keys []string
	asks *ahead
}

// handover prepares to hand over tasks that are about to be put into a queue.
// finish must follow.
func (gs *gates) handover(queue string, tasks []string, ps []*parcel) handover {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	for _, g := range gs.all {
		if room := g.await(queue, len(tasks)); room > 0 {
			h := handover{to: g, room: room, keys: takeKeys(queue)}
			if rows, at := rowsOf(ps[:room]); rows != nil {
				h.asks = written(rows, at)
			} else {
				h.asks = g.ahead.ask(tasks[:room])
			}
			return h
		}
	}
	return handover{}
}

// awaited reports whether a worker of this process waits for work of a queue.
func (gs *gates) awaited(queue string) bool {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	return slices.ContainsFunc(gs.all, func(g *gate) bool { return g.queues[queue] > 0 && g.idle.Load() })
}

// rowsOf returns the jobs' rows as they were written, nil when one is not here, and
// when the first of them was.
func rowsOf(ps []*parcel) (rows map[uuid.UUID]*jobRow, at time.Time) {
	rows, at = make(map[uuid.UUID]*jobRow, len(ps)), ps[0].sent
	for _, p := range ps {
		if p.row == nil {
			return nil, at
		}
		if p.sent.Before(at) {
			at = p.sent
		}
		row := *p.row // the run changes it
		rows[p.id] = &row
	}
	return rows, at
}

// await keeps an idle worker from looking for tasks until keep is called, and
// reserves up to n slots. It returns 0, and does neither, when the worker is not
// idle, for then some queue may come first; or when it counts what it takes.
func (g *gate) await(queue string, n int) (room int) {
	if g.queues[queue] == 0 || !g.idle.Load() || g.left.Load() < unlimited/2 || !g.looking.TryLock() {
		return 0
	}
	if g.idle.Load() && !g.stopped() {
		room = g.slots.reserve(min(lookMost, n))
	}
	if room == 0 {
		g.looking.Unlock()
	}
	return room
}

// run calls the script that puts tasks into Redis, once if it takes some.
func (h handover) run(ctx context.Context, c redis.UniversalClient, s *redis.Script, keys []string, args []any) *redis.Cmd {
	if h.to == nil {
		return s.Run(ctx, c, keys, args...)
	}
	return callOnce(ctx, c, s, keys, args)
}

// finish hands over what was taken: messages, then their ids.
func (h handover) finish(taken []string) {
	if h.to == nil {
		return
	}
	h.to.ahead.use(h.asks, taken[len(taken)/2:])
	h.to.keep(taken, h.room, h.keys)
	h.to.looking.Unlock()
	ring(h.to.work)
}
