package jobs_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
)

const bulkTasks = 20

// What a worker's own scripts leave in Redis is what asynq's leave: tasks that
// were put in at the same time, that run, and that are done.
func TestBulkScriptsLeaveWhatAsynqLeaves(t *testing.T) {
	var dumps [2][]string
	for i, own := range []bool{false, true} {
		conn := jobstest.Redis(t).MakeRedisClient().(redis.UniversalClient)
		defer func() { _ = conn.Close() }()
		calls := &scriptCalls{}
		conn.AddHook(calls)
		client, server, stop := conn, conn, func() {}
		if own {
			var end func()
			client, server, stop, end = jobs.AsWorker(conn, "q", bulkTasks)
			defer end()
		}
		dumps[i] = liveOfTasks(t, conn, client, server, stop)
		if n := calls.n.Load(); own != (n < 3*bulkTasks) {
			t.Errorf("own scripts %v: %d calls for three of each of %d tasks", own, n, bulkTasks)
		}
	}
	for stage, want := range dumps[0] {
		if got := dumps[1][stage]; got != want {
			t.Errorf("stage %d: our scripts leave\n%s\nasynq's leave\n%s", stage, got, want)
		}
	}
}

// liveOfTasks returns what Redis holds when the tasks wait, run, and are done.
func liveOfTasks(t *testing.T, conn, client, server redis.UniversalClient, stop func()) (stages []string) {
	t.Helper()
	c := asynq.NewClientFromRedisClient(client)
	put := func() (taken int32) {
		var n atomic.Int32
		var all sync.WaitGroup
		for i := range bulkTasks {
			all.Go(func() {
				_, err := c.Enqueue(asynq.NewTask("kind", []byte("payload")), asynq.Queue("q"),
					asynq.TaskID(fmt.Sprintf("task-%02d", i)), asynq.Retention(time.Hour))
				if err == nil {
					n.Add(1)
				}
			})
		}
		all.Wait()
		return n.Load()
	}
	if n := put(); n != bulkTasks {
		t.Fatalf("%d of %d tasks were taken", n, bulkTasks)
	}
	if n := put(); n != 0 {
		t.Fatalf("%d tasks were taken a second time", n)
	}
	stages = append(stages, dump(t, conn))

	running, goOn := make(chan struct{}, bulkTasks), make(chan struct{})
	srv := asynq.NewServerFromRedisClient(server, asynq.Config{
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
		stop()
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
	return append(stages, dump(t, conn))
}

// dump writes out what the queue's keys hold, but for times, and for what asynq's
// server says of itself.
func dump(t *testing.T, c redis.UniversalClient) string {
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
			for _, timed := range []string{"msg", "pending_since"} {
				if fields[timed] != "" {
					fields[timed] = "…"
				}
			}
			holds = fields
		default:
			holds = c.Get(ctx, key).Val()
		}
		fmt.Fprintf(&out, "%s expires %v: %v\n", key, c.TTL(ctx, key).Val() > 0, holds)
	}
	return out.String()
}

// scriptCalls counts the calls of scripts that name a task or take some.
type scriptCalls struct{ n atomic.Int32 }

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
	if text := fmt.Sprint(cmd.Args()...); cmd.Name() == "evalsha" && (strings.Contains(text, "task-") || strings.Contains(text, ":lease")) {
		s.n.Add(1)
	}
}
