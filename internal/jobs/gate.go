package jobs

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// workChannel is where those who put jobs into a queue say so.
const workChannel = "spotpool:work"

// gate is a worker's connection to Redis. It changes how asynq looks for tasks,
// which is one at a time and, when there are none, once in every interval: a look
// takes several tasks where a queue has them and the worker has room, and one at
// empty queues waits until somebody says that there is work.
type gate struct {
	*line
	queues map[string]int
	poll   time.Duration        // how long a look waits at most
	slots  *slots               // of the worker
	left   *atomic.Int64        // tasks that it may still take
	turn   *sync.Mutex          // held while some are taken, when they are counted
	stop   chan struct{}        // closed when it takes no more
	ahead  func(tasks []string) // told the ids of tasks that it took

	mu    sync.Mutex
	taken []string      // tasks that were taken and not yet handed over, as Redis holds them
	work  chan struct{} // rings when there may be work
	empty int           // looks in a row that found nothing
	want  int           // how many tasks to ask for

	looking sync.Mutex // held during a look
}

// lookMost bounds the tasks that one look takes.
const lookMost = 200

// gatherFor is how long a look at a queue that had more than was asked for waits
// until half of the worker's slots are free: taking tasks one at a time would cost
// a worker of quick jobs more than it.
const gatherFor = time.Millisecond

// lookAgain is the pause after a look that failed: asynq makes none.
const lookAgain = 200 * time.Millisecond

// EvalSha implements redis.Scripter.
func (g *gate) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	switch {
	case len(keys) == 4 && strings.HasSuffix(keys[1], ":paused"):
		return g.look(ctx, keys, args)
	case len(keys) == 2 && strings.HasSuffix(keys[1], ":pending"): // delayed tasks that have come due
		cmd := g.line.EvalSha(ctx, sha, keys, args...)
		if n, _ := cmd.Int(); n > 0 {
			ring(g.work)
		}
		return cmd
	}
	return g.line.EvalSha(ctx, sha, keys, args...)
}

// counted keeps the worker's other gates from taking tasks until the function
// that it returns is called, if it may take only so many.
func (g *gate) counted() (done func()) {
	if g.left.Load() > unlimited/2 {
		return func() {}
	}
	g.turn.Lock()
	return g.turn.Unlock
}

// ring rings a bell, unless it rings already.
func ring(bell chan struct{}) {
	select {
	case bell <- struct{}{}:
	default:
	}
}

// look answers asynq's script that takes a task from a queue. asynq looks from
// one goroutine.
func (g *gate) look(ctx context.Context, keys []string, args []any) *redis.Cmd {
	answer := redis.NewCmd(ctx)
	if task, ok := g.next(); ok {
		answer.SetVal(task)
		return answer
	}
	if g.empty >= len(g.queues) {
		g.wait(g.work, g.poll)
		g.empty = 0
	}
	for g.slots.free() < 1 && !g.stopped() {
		g.wait(g.slots.freed, g.poll)
	}
	if g.want > 1 && g.slots.free() < g.slots.half() {
		g.wait(g.slots.halved, gatherFor)
	}
	defer g.counted()()
	g.looking.Lock()
	defer g.looking.Unlock()
	n := min(g.slots.free(), lookMost, int(g.left.Load()))
	if n < 1 || g.stopped() {
		g.empty++
		answer.SetErr(redis.Nil)
		return answer
	}
	n = max(1, min(n, g.want))
	first := g.take(ctx, n, keys, args)
	switch first.Err() {
	case nil:
		g.empty = 0
	case redis.Nil:
		g.empty++
	default:
		g.pause()
	}
	return first
}

// take asks for n tasks of a queue at once, answers as asynq's script that takes
// one would and keeps the others.
func (g *gate) take(ctx context.Context, n int, keys []string, args []any) *redis.Cmd {
	answer := redis.NewCmd(ctx)
	taken, err := takeAll.Run(ctx, g.UniversalClient, keys, append(slices.Clone(args), n)...).StringSlice()
	if err != nil {
		answer.SetErr(err)
		return answer
	}
	tasks := taken[:len(taken)/2] // then their ids
	g.ahead(taken[len(tasks):])
	g.mu.Lock()
	defer g.mu.Unlock()
	g.left.Add(int64(-len(tasks)))
	g.slots.held.Add(int64(len(tasks)))
	// A queue that gives all that was asked for is asked for more the next time.
	if g.want = 1; len(tasks) == n {
		g.want = 2 * n
	}
	if len(tasks) == 0 {
		answer.SetErr(redis.Nil)
		return answer
	}
	answer.SetVal(tasks[0])
	g.taken = append(g.taken, tasks[1:]...)
	return answer
}

// next returns a task that an earlier look has taken.
func (g *gate) next() (string, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.taken) == 0 {
		return "", false
	}
	task := g.taken[0]
	g.taken = slices.Delete(g.taken, 0, 1)
	return task, true
}

func (g *gate) holds() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.taken)
}

// wait returns when the bell rings, the gate stops, or the time is over.
func (g *gate) wait(bell chan struct{}, most time.Duration) {
	t := time.NewTimer(most)
	defer t.Stop()
	select {
	case <-bell:
	case <-t.C:
	case <-g.stop:
	}
}

func (g *gate) pause() {
	select {
	case <-time.After(lookAgain):
	case <-g.stop:
	}
}

// slots are what bounds the handlers that run at a time. A task holds one from
// the look that took it until it is handled, and gives it back before its outcome
// is recorded, so that a commit under way keeps no handler waiting.
type slots struct {
	all    chan struct{}
	held   atomic.Int64
	freed  chan struct{} // rings when a slot was given back
	halved chan struct{} // rings when that made half of them free
}

func newSlots(n int) *slots {
	return &slots{all: make(chan struct{}, n), freed: make(chan struct{}, 1), halved: make(chan struct{}, 1)}
}

// half is half of the slots, one at least.
func (s *slots) half() int { return (cap(s.all) + 1) / 2 }

// free returns how many jobs could be begun now.
func (s *slots) free() int { return cap(s.all) - int(s.held.Load()) }

// again is begin for a task that has given its slot back.
func (s *slots) again() (giveBack func()) {
	s.held.Add(1)
	return s.begin()
}

// begin begins a task that holds a slot and returns what gives the slot back,
// which may be called again. Woken jobs hold slots that no look has counted:
// then it waits for one.
func (s *slots) begin() (giveBack func()) {
	s.all <- struct{}{}
	return sync.OnceFunc(func() {
		<-s.all
		held := s.held.Add(-1)
		ring(s.freed)
		if cap(s.all)-int(held) == s.half() {
			ring(s.halved)
		}
	})
}

func (g *gate) stopped() bool {
	select {
	case <-g.stop:
		return true
	default:
		return false
	}
}

// listen rings when somebody puts a job into one of the worker's queues.
func (g *gate) listen(ctx context.Context) {
	sub := g.Subscribe(ctx, workChannel)
	defer func() { _ = sub.Close() }()
	messages := sub.Channel()
	for {
		select {
		case <-ctx.Done():
			return
		case m, ok := <-messages:
			if !ok {
				return
			}
			if g.queues[m.Payload] > 0 {
				ring(g.work)
			}
		}
	}
}

// close takes no more tasks, and lets asynq begin those that were taken.
func (g *gate) close() {
	close(g.stop)
	for range 100 {
		g.looking.Lock() // a look under way may still take some
		held := g.holds()
		g.looking.Unlock()
		if held == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}
