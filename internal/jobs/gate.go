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
	poll   time.Duration // how long a look waits at most
	news   *news         // of the queues
	slots  *slots        // of the worker
	left   *atomic.Int64 // tasks that it may still take
	turn   *sync.Mutex   // held while some are taken, when they are counted
	stop   chan struct{} // closed when it takes no more
	ahead  *aheads       // asked for the tasks that it takes

	mu    sync.Mutex
	taken []takenTask   // and not yet handed over
	work  chan struct{} // rings when there may be work
	empty int           // looks in a row that found nothing
	idle  atomic.Bool   // all queues were empty, and it waits for word of work
	want  int           // how many tasks to ask for

	looking sync.Mutex // held while it takes tasks
}

// takenTask is a task as Redis holds it.
type takenTask struct {
	text, id string
	keys     []string // of the script that took it
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
			g.hear(queueOf(keys[1]))
		}
		return cmd
	}
	return g.line.EvalSha(ctx, sha, keys, args...)
}

// hear has the next look ask a queue, at once if the worker is idle.
func (g *gate) hear(queue string) {
	g.news.heard(queue)
	ring(g.work)
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
		g.idle.Store(true)
		g.wait(g.work, g.news.left(time.Now()))
		g.looking.Lock() // until a handover under way is over
		g.idle.Store(false)
		g.looking.Unlock()
		g.empty = 0
		if task, ok := g.next(); ok {
			answer.SetVal(task)
			return answer
		}
	}
	if !g.news.expects(queueOf(keys[0]), time.Now()) {
		g.empty++
		answer.SetErr(redis.Nil)
		return answer
	}
	for g.slots.free() < 1 && !g.stopped() {
		g.wait(g.slots.freed, g.poll)
	}
	if g.want > 1 && g.slots.free() < g.slots.half() {
		g.wait(g.slots.halved, gatherFor)
	}
	first := g.lookNow(ctx, keys, args)
	switch first.Err() {
	case nil:
		g.empty = 0
	case redis.Nil:
		g.empty++
	default:
		g.pause()
	}
	if g.slots.free() > 0 {
		ring(g.slots.freed) // another gate may have slept through the last ring
	}
	return first
}

// lookNow takes what there is room for, and at least asks for nothing.
func (g *gate) lookNow(ctx context.Context, keys []string, args []any) *redis.Cmd {
	defer g.counted()()
	g.looking.Lock()
	defer g.looking.Unlock()
	n := 0
	if !g.stopped() {
		n = g.slots.reserve(min(lookMost, int(g.left.Load()), g.want))
	}
	if n < 1 {
		none := redis.NewCmd(ctx)
		none.SetErr(redis.Nil)
		return none
	}
	return g.take(ctx, n, keys, args)
}

// take asks for n tasks of a queue at once, for which slots are reserved, answers
// as asynq's script that takes one would and keeps the others.
func (g *gate) take(ctx context.Context, n int, keys []string, args []any) *redis.Cmd {
	answer, queue := redis.NewCmd(ctx), queueOf(keys[0])
	g.news.asked(queue)
	said, err := callOnce(ctx, g.UniversalClient, takeAll, keys, append(slices.Clone(args), n)).StringSlice()
	if err != nil || len(said) > 0 {
		g.news.heard(queue)
	}
	if len(said) > 2 { // a single one may find others to be read with
		ids := said[len(said)/2:]
		g.ahead.use(g.ahead.ask(ids), ids)
	}
	got := g.keep(said, n, keys)
	if err != nil {
		answer.SetErr(err)
		return answer
	}
	// A queue that gives all that was asked for is asked for more the next time.
	if g.want = 1; got == n {
		g.want = 2 * n
	}
	if task, ok := g.next(); ok {
		answer.SetVal(task)
	} else {
		answer.SetErr(redis.Nil)
	}
	return answer
}

// keep keeps the tasks that a script took with n slots reserved, gives back the slots
// beyond, and returns how many there are.
func (g *gate) keep(said []string, n int, keys []string) (got int) {
	got = len(said) / 2
	g.slots.held.Add(int64(got - n))
	g.left.Add(int64(-got))
	g.mu.Lock()
	defer g.mu.Unlock()
	for i := range got {
		g.taken = append(g.taken, takenTask{said[i], said[got+i], keys})
	}
	return got
}

// once is a command that is not sent again when its answer was lost: a second
// time, it would take other tasks.
type once struct{ *redis.Cmd }

// NoRetry implements redis.Cmder.
func (once) NoRetry() bool { return true }

// callOnce calls a script that takes tasks.
func callOnce(ctx context.Context, to redis.UniversalClient, script *redis.Script, keys []string, args []any) *redis.Cmd {
	words := []any{"evalsha", script.Hash(), len(keys)}
	for _, k := range keys {
		words = append(words, k)
	}
	words = append(words, args...)
	call := func() *redis.Cmd {
		cmd := redis.NewCmd(ctx, words...)
		cmd.SetFirstKeyPos(3)
		_ = to.Process(ctx, once{cmd})
		return cmd
	}
	cmd := call()
	if redis.HasErrorPrefix(cmd.Err(), "NOSCRIPT") && script.Load(ctx, to).Err() == nil {
		cmd = call()
	}
	return cmd
}

// next returns a task that an earlier look has taken.
func (g *gate) next() (string, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.taken) == 0 {
		return "", false
	}
	task := g.taken[0]
	g.taken = g.taken[1:]
	return task.text, true
}

// holds returns how many such tasks there are.
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

// reserve holds up to n slots, as many as are free, and returns how many.
func (s *slots) reserve(n int) int {
	for {
		held := s.held.Load()
		n = min(n, cap(s.all)-int(held))
		if n < 1 || s.held.CompareAndSwap(held, held+int64(n)) {
			return max(n, 0)
		}
	}
}

// again is begin for a task that has given its slot back.
func (s *slots) again() (giveBack func()) {
	s.held.Add(1)
	return s.begin()
}

// begin begins a task that holds a slot and returns what gives the slot back,
// which may be called again. Jobs that were woken, or came early, hold slots that
// no look has counted: then it waits for one.
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
				g.hear(m.Payload)
			}
		}
	}
}

// closeAll takes no more tasks and lets asynq begin those that were taken. What it
// has no place for within a second goes back.
func closeAll(gates []*gate) {
	for _, g := range gates {
		close(g.stop)
	}
	for _, g := range gates {
		for range 100 {
			g.looking.Lock() // a look under way may still take some
			held := g.holds()
			g.looking.Unlock()
			if held == 0 {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		g.giveBack()
	}
}

// giveBack puts the tasks back that were not handed over, the last one first, since
// each goes to where the next is taken.
func (g *gate) giveBack() {
	g.mu.Lock()
	defer g.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), lineTimeout)
	defer cancel()
	for _, t := range slices.Backward(g.taken) {
		keys := []string{t.keys[0], t.keys[2], t.keys[3], taskPrefix(queueOf(t.keys[0])) + t.id}
		_ = putBack.Run(ctx, g.UniversalClient, keys, t.id).Err() // else its lease ends some time
	}
	g.taken = nil
}

// queueOf returns the queue whose key it is.
func queueOf(key string) string {
	_, rest, _ := strings.Cut(key, "{")
	queue, _, _ := strings.Cut(rest, "}")
	return queue
}
