package main

import (
	"context"
	"errors"
	"time"

	"github.com/hibiken/asynq"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/config"
	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/jobs"
)

// workerConfig returns how the settings have a worker run.
func workerConfig(s config.Settings, c clock.Clock, weights map[string]int, periodic ...jobs.Periodic) jobs.WorkerConfig {
	return jobs.WorkerConfig{
		Queues: weights, Strict: s.Strict, Concurrency: s.Concurrency,
		PollInterval: s.PollInterval, DelayedInterval: delayedInterval(s, c), SweepInterval: s.SweepInterval,
		StopTimeout: s.StopTimeout, Periodic: periodic,
		MaxTimeout: s.Timeout, MaxTries: s.Tries,
		MaxJobs: s.MaxJobs, MaxTime: s.MaxTime, MaxMemory: uint64(s.Memory) << 20, StopWhenEmpty: s.StopWhenEmpty,
	}
}

// shortestDelayed bounds how often a worker looks for delayed jobs because time runs fast.
const shortestDelayed = 50 * time.Millisecond

// delayedInterval returns the time between two looks for delayed jobs: how late a job may
// be is a matter of the application's time.
func delayedInterval(s config.Settings, c clock.Clock) time.Duration {
	return min(s.DelayedInterval, max(clock.Wall(c, s.DelayedInterval), shortestDelayed))
}

// endsItself reports whether the settings have a worker stop by itself.
func endsItself(s config.Settings) bool {
	return s.StopWhenEmpty || s.MaxJobs > 0 || s.MaxTime > 0 || s.Memory > 0
}

// queueConnections returns the Redis of each queue that has one of its own.
func queueConnections(s config.Settings) (map[string]asynq.RedisConnOpt, error) {
	targets, err := s.QueueTargets()
	if err != nil {
		return nil, usageError{err}
	}
	connections := map[string]asynq.RedisConnOpt{}
	for queue, target := range targets {
		if connections[queue], err = jobs.ParseRedis(target); err != nil {
			return nil, usagef("--queue-redis: %s: %w", queue, err)
		}
	}
	return connections, nil
}

// countFailures counts the jobs that fail for good, each once.
func countFailures(reg prometheus.Registerer) jobs.FailureHook {
	failed := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "spotpool_jobs_failed_total", Help: "Jobs that have failed for good, by kind.",
	}, []string{"kind"})
	reg.MustRegister(failed)
	return func(tx *db.Tx, f jobs.Failure) error {
		tx.After(func() { failed.WithLabelValues(f.Kind).Inc() })
		return nil
	}
}

// errWorkerEnded ends a 'work' process whose worker has stopped by itself.
var errWorkerEnded = errors.New("the worker has ended")

// work runs the worker until ctx is over. One that stops by itself ends a 'work'
// process, which whatever supervises it starts anew; beside other parts it is
// started again in place.
func (a *app) work(ctx context.Context, alone bool) error {
	for {
		if err := a.worker.Run(ctx); err != nil || ctx.Err() != nil {
			return err
		}
		if alone {
			return errWorkerEnded
		}
		a.log.Info("worker starts again")
	}
}
