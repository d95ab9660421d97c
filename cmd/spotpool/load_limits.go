package main

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/hibiken/asynq"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/sim"
)

const (
	limitTime = 3 * time.Second // that each limit is measured for
	enqueuers = 16              // side by side, to keep bare asynq busy
)

// limits are what the database and the queue can do by themselves, and what the
// load test had them do.
type limits struct {
	app       *app
	processes int  // that work
	wanted    bool // else nothing is measured
	commits   sim.Limit
	tasks     sim.Limit
}

// measure takes both limits while the server is idle.
func (l *limits) measure(ctx context.Context) (err error) {
	if !l.wanted {
		return nil
	}
	l.commits.Name, l.tasks.Name = "durable single-row commits", "bare asynq tasks"
	if l.commits.PerSecond, err = db.Pace(ctx, l.app.settings.DatabaseTarget(), l.processes, limitTime); err != nil {
		return err
	}
	l.tasks.PerSecond, err = l.app.bareTasks(ctx, l.processes)
	return err
}

// count notes what the database and the queue have done so far: with the sign -1
// before the load, with 1 after it.
func (l *limits) count(ctx context.Context, sign int64) error {
	if !l.wanted {
		return nil
	}
	commits, err := l.app.db.Commits(ctx)
	if err != nil {
		return err
	}
	l.commits.Used += sign * commits
	inspector := asynq.NewInspectorFromRedisClient(l.app.system.Redis())
	for _, queue := range l.app.settings.QueueNames() {
		info, err := inspector.GetQueueInfo(queue)
		if err != nil && !errors.Is(err, asynq.ErrQueueNotFound) {
			return err
		}
		if err == nil {
			l.tasks.Used += sign * int64(info.ProcessedTotal)
		}
	}
	return nil
}

// report returns the limits with what the load used of them, none if they are not wanted.
func (l *limits) report(ctx context.Context) ([]sim.Limit, error) {
	if err := l.count(ctx, 1); err != nil || !l.wanted {
		return nil, err
	}
	return []sim.Limit{l.commits, l.tasks}, nil
}

// bareTasks returns how many tasks that do nothing asynq takes in and completes in a
// second, with as many servers as there are processes that work. Nothing is left of them.
func (a *app) bareTasks(ctx context.Context, servers int) (perSecond float64, err error) {
	rdb, queue := a.system.Redis(), "pace-"+uuid.NewString()[:8]
	client := asynq.NewClientFromRedisClient(rdb)
	var done atomic.Int64
	handle := asynq.HandlerFunc(func(context.Context, *asynq.Task) error { done.Add(1); return nil })
	var running []*asynq.Server
	defer func() {
		for _, s := range running {
			s.Shutdown()
		}
		err = cmp.Or(err, a.dropQueue(context.WithoutCancel(ctx), queue))
	}()
	for range servers {
		s := asynq.NewServerFromRedisClient(rdb, asynq.Config{
			Concurrency: a.settings.Concurrency, Queues: map[string]int{queue: 1}, LogLevel: asynq.FatalLevel,
			TaskCheckInterval: time.Millisecond, ShutdownTimeout: a.settings.StopTimeout,
		})
		if err := s.Start(handle); err != nil {
			return 0, err
		}
		running = append(running, s)
	}
	began := time.Now()
	failed := make(chan error, enqueuers)
	var wg sync.WaitGroup
	for range enqueuers {
		wg.Go(func() {
			for time.Since(began) < limitTime && ctx.Err() == nil {
				if _, err := client.EnqueueContext(ctx, asynq.NewTask("pace", nil), asynq.Queue(queue)); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	wg.Wait()
	perSecond = float64(done.Load()) / time.Since(began).Seconds()
	close(failed)
	return perSecond, <-failed
}

// dropQueue removes a queue with its tasks and its counters.
func (a *app) dropQueue(ctx context.Context, queue string) error {
	rdb := a.system.Redis()
	inspector := asynq.NewInspectorFromRedisClient(rdb)
	if err := inspector.DeleteQueue(queue, true); err != nil && !errors.Is(err, asynq.ErrQueueNotFound) {
		return err
	}
	prefix := "asynq:{" + queue + "}:"
	day := time.Now().UTC()
	return rdb.Unlink(ctx, prefix+"processed", prefix+"processed:"+day.Format(time.DateOnly),
		prefix+"processed:"+day.AddDate(0, 0, -1).Format(time.DateOnly)).Err()
}
