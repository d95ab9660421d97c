package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

// asynqQueue is bare asynq: no database, nothing that ties a job to what it
// belongs to. A chain is a handler that enqueues the next step before it
// returns, a batch a counter in Redis whose last job enqueues the callback; a
// worker that dies between the two runs a step twice.
type asynqQueue struct {
	servers *Servers

	t      *tally
	c      Case
	redis  *redis.Client
	client *asynq.Client
	server *asynq.Server
}

func openAsynq(_ context.Context, s *Servers) (Engine, error) { return &asynqQueue{servers: s}, nil }

func (e *asynqQueue) Versions(context.Context) ([]string, error) {
	return []string{moduleVersion("github.com/hibiken/asynq")}, nil
}

func (e *asynqQueue) Run(ctx context.Context, c Case) (Result, error) { return run(ctx, e, c) }

func (e *asynqQueue) Start(ctx context.Context, c Case, t *tally) error {
	e.t, e.c, e.server = t, c, nil
	e.redis = redis.NewClient(&redis.Options{Addr: e.servers.RedisAddr})
	if err := e.servers.flush(ctx); err != nil {
		return err
	}
	e.client = asynq.NewClientFromRedisClient(e.redis)
	server := asynq.NewServerFromRedisClient(e.redis, asynq.Config{
		Concurrency: c.Workers, TaskCheckInterval: c.Poll, LogLevel: asynq.WarnLevel, ShutdownTimeout: stopTimeout,
	})
	if err := server.Start(asynq.HandlerFunc(e.handle)); err != nil {
		return err
	}
	e.server = server
	return nil
}

func (e *asynqQueue) handle(ctx context.Context, task *asynq.Task) error {
	var p place
	if err := json.Unmarshal(task.Payload(), &p); err != nil {
		return err
	}
	e.t.ran(p)
	last := p.Index == e.c.Size-1
	switch {
	case e.c.Kind == chain && !last:
		return e.enqueue(ctx, place{p.Group, p.Index + 1})
	case e.c.Kind == batch && !last:
		pending, err := e.redis.Decr(ctx, counterKey(p.Group)).Result()
		if err != nil || pending > 0 {
			return err
		}
		return e.enqueue(ctx, place{p.Group, e.c.Size - 1})
	}
	return nil
}

func counterKey(group int) string { return fmt.Sprintf("bench:batch:%d", group) }

func (e *asynqQueue) enqueue(ctx context.Context, p place) error {
	raw, err := json.Marshal(p)
	if err != nil {
		return err
	}
	_, err = e.client.EnqueueContext(ctx, asynq.NewTask("bench", raw))
	return err
}

// Noops enqueues from several goroutines: asynq has no bulk insertion.
func (e *asynqQueue) Noops(ctx context.Context, n int) error {
	return each(n, func(i int) error { return e.enqueue(ctx, place{0, i}) })
}

func (e *asynqQueue) Chain(ctx context.Context, group int) error {
	return e.enqueue(ctx, place{group, 0})
}

// Chains enqueues the first steps from several goroutines.
func (e *asynqQueue) Chains(ctx context.Context, n int) error {
	return each(n, func(g int) error { return e.Chain(ctx, g) })
}

func (e *asynqQueue) Batch(ctx context.Context, group, size int) error {
	if err := e.redis.Set(ctx, counterKey(group), size-1, 0).Err(); err != nil {
		return err
	}
	return each(size-1, func(i int) error { return e.enqueue(ctx, place{group, i}) })
}

func (e *asynqQueue) Settled(ctx context.Context) (bool, error) {
	const key = "asynq:{default}:"
	pipe := e.redis.Pipeline()
	sizes := []*redis.IntCmd{
		pipe.LLen(ctx, key+"pending"), pipe.LLen(ctx, key+"active"), pipe.ZCard(ctx, key+"scheduled"),
		pipe.ZCard(ctx, key+"retry"), pipe.ZCard(ctx, key+"archived"),
	}
	_, err := pipe.Exec(ctx)
	var left int64
	for _, n := range sizes {
		left += n.Val()
	}
	return left == 0, err
}

func (e *asynqQueue) Stop() error {
	if e.server != nil {
		e.server.Shutdown()
	}
	return e.redis.Close()
}

func (e *asynqQueue) Statements(context.Context) (Statements, error) { return Statements{}, nil }

func (e *asynqQueue) Close() error { return nil }
