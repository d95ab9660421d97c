package jobs_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
)

const bulkTasks = 20

// What our own scripts leave in Redis is what asynq's leave: tasks that were put
// in together, that run, and that are done.
func TestBulkScriptsLeaveWhatAsynqLeaves(t *testing.T) {
	ids := make([]uuid.UUID, bulkTasks)
	for i := range ids {
		ids[i] = uuid.Must(uuid.NewV7())
	}
	var dumps [2][]string
	for i, own := range []bool{false, true} {
		conn := jobstest.Redis(t).MakeRedisClient().(redis.UniversalClient)
		defer func() { _ = conn.Close() }()
		calls := &scriptCalls{}
		conn.AddHook(calls)
		p := process{conn, func() int { return putByAsynq(conn, ids) }, func() {}}
		if own {
			server, stop, end := jobs.AsWorker(conn, "q", bulkTasks)
			defer end()
			p = process{server, func() int { return jobs.PutTogether(conn, "q", "kind", time.Hour, ids...) }, stop}
		}
		dumps[i] = p.liveOfTasks(t, conn)
		if n := calls.n.Load(); own != (n < 3*bulkTasks) {
			t.Errorf("own scripts %v: %d calls for three of each of %d tasks", own, n, bulkTasks)
		}
		if n := calls.again.Load(); own && n > 0 {
			t.Errorf("%d calls that take tasks would be repeated", n)
		}
	}
	for stage, want := range dumps[0] {
		if got := dumps[1][stage]; got != want {
			t.Errorf("stage %d: our scripts leave\n%s\nasynq's leave\n%s", stage, got, want)
		}
	}
}

// process is what puts tasks into Redis and runs them.
type process struct {
	server redis.UniversalClient
	put    func() (taken int)
	stop   func()
}

func putByAsynq(conn redis.UniversalClient, ids []uuid.UUID) (taken int) {
	c := asynq.NewClientFromRedisClient(conn)
	for _, id := range ids {
		if _, err := c.Enqueue(asynq.NewTask("kind", []byte(id.String()+":0")), jobs.TaskOptions(id, "q", time.Hour)...); err == nil {
			taken++
		}
	}
	return taken
}

// liveOfTasks returns what Redis holds when the tasks wait, run, and are done.
func (p process) liveOfTasks(t *testing.T, conn redis.UniversalClient) (stages []string) {
	t.Helper()
	if n := p.put(); n != bulkTasks {
		t.Fatalf("%d of %d tasks were taken", n, bulkTasks)
	}
	if n := p.put(); n != 0 {
		t.Fatalf("%d tasks were taken a second time", n)
	}
	stages = append(stages, dump(t, conn, "pending_since"))

	running, goOn := make(chan struct{}, bulkTasks), make(chan struct{})
	srv := asynq.NewServerFromRedisClient(p.server, asynq.Config{
		Concurrency: bulkTasks, Queues: map[string]int{"q": 1}, TaskCheckInterval: time.Millisecond, LogLevel: asynq.FatalLevel,
	})
	err := srv.Start(asynq.HandlerFunc(func(context.Context, *asynq.Task) error {
		running <- struct{}{}
		<-goOn
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		p.stop()
		srv.Shutdown()
	}()
	within := time.After(jobstest.Deadline)
	for range bulkTasks {
		select {
		case <-running:
		case <-within:
			t.Fatal("not all tasks run")
		}
	}
	stages = append(stages, dump(t, conn))
	close(goOn)
	for conn.ZCard(t.Context(), "asynq:{q}:completed").Val() < bulkTasks {
		select {
		case <-within:
			t.Fatal("not all tasks are done")
		default:
		}
	}
	return append(stages, dump(t, conn, "msg")) // which says when
}

// dump writes out what the queue's keys hold, but for scores, and for the fields of
// tasks that are timed.
func dump(t *testing.T, c redis.UniversalClient, timed ...string) string {
	t.Helper()
	ctx := t.Context()
	keys, err := c.Keys(ctx, "asynq:{q}:*").Result()
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(keys)
	var out strings.Builder
	for _, key := range keys {
		var holds any
		switch kind := c.Type(ctx, key).Val(); kind {
		case "list":
			ids := c.LRange(ctx, key, 0, -1).Val()
			slices.Sort(ids)
			holds = ids
		case "zset":
			holds = c.ZRange(ctx, key, 0, -1).Val()
		case "hash":
			fields := c.HGetAll(ctx, key).Val()
			for _, field := range timed {
				if fields[field] != "" {
					fields[field] = "…"
				}
			}
			if fields["state"] != "pending" {
				delete(fields, "pending_since")
			}
			holds = fields
		default:
			holds = c.Get(ctx, key).Val()
		}
		fmt.Fprintf(&out, "%s expires %v: %q\n", key, c.TTL(ctx, key).Val() > 0, holds)
	}
	return out.String()
}

// scriptCalls counts the calls of scripts that name a task or take some.
type scriptCalls struct {
	n     atomic.Int32
	again atomic.Int32 // those that take tasks and would be sent again if their answer were lost
}

func (s *scriptCalls) DialHook(next redis.DialHook) redis.DialHook { return next }

func (s *scriptCalls) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		s.count(cmd)
		return next(ctx, cmd)
	}
}

func (s *scriptCalls) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		for _, cmd := range cmds {
			s.count(cmd)
		}
		return next(ctx, cmds)
	}
}

func (s *scriptCalls) count(cmd redis.Cmder) {
	if text := fmt.Sprint(cmd.Args()...); cmd.Name() == "evalsha" && (strings.Contains(text, "}:t:") || strings.Contains(text, ":lease")) {
		s.n.Add(1)
		if takes(cmd.Args()) && !cmd.NoRetry() {
			s.again.Add(1)
		}
	}
}

// takes reports whether a call takes tasks: one that puts some into Redis has room
// for them, or does not.
func takes(call []any) bool {
	keys, _ := call[2].(int)
	args := call[3+keys:]
	return strings.Contains(fmt.Sprint(call...), ":paused") && (len(args) < 6 || fmt.Sprint(args[5]) != "0")
}

// What a worker that stops has taken, and asynq has no place for, goes back to
// where it is taken next.
func TestTasksThatWereNotHandedOutGoBack(t *testing.T) {
	conn := jobstest.Redis(t).MakeRedisClient().(redis.UniversalClient)
	defer func() { _ = conn.Close() }()
	ids := make([]uuid.UUID, bulkTasks)
	for i := range ids {
		ids[i] = uuid.Must(uuid.NewV7())
	}
	if n := jobs.PutTogether(conn, "q", "kind", time.Hour, ids...); n != bulkTasks {
		t.Fatalf("%d of %d tasks were taken", n, bulkTasks)
	}
	order := conn.LRange(t.Context(), "asynq:{q}:pending", 0, -1).Val()
	server, stop, end := jobs.AsWorker(conn, "q", bulkTasks)
	defer end()
	const places = 4 // looks take 1, 2 and 4 tasks: three are left over
	running, goOn := make(chan struct{}, bulkTasks), make(chan struct{})
	srv := asynq.NewServerFromRedisClient(server, asynq.Config{Concurrency: places, Queues: map[string]int{"q": 1}, LogLevel: asynq.FatalLevel})
	err := srv.Start(asynq.HandlerFunc(func(context.Context, *asynq.Task) error {
		running <- struct{}{}
		<-goOn
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	for range places {
		<-running
	}
	taken := conn.LLen(t.Context(), "asynq:{q}:active").Val()
	stop()
	pending := conn.LRange(t.Context(), "asynq:{q}:pending", 0, -1).Val()
	active, leased := conn.LLen(t.Context(), "asynq:{q}:active").Val(), conn.ZCard(t.Context(), "asynq:{q}:lease").Val()
	if taken <= places || active != places || leased != places || !slices.Equal(pending, order[:bulkTasks-places]) {
		t.Errorf("%d taken; after the stop %d active and %d leased, pending\n%v\nwant\n%v", taken, active, leased, pending, order[:bulkTasks-places])
	}
	for _, id := range pending {
		if state := conn.HGet(t.Context(), "asynq:{q}:t:"+id, "state").Val(); state != "pending" {
			t.Errorf("%s is %s", id, state)
		}
	}
	close(goOn)
	srv.Shutdown()
}
