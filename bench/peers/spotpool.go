package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/pflag"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/config"
	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/seal"
)

// spotpool is this repository's queue on MariaDB and Redis, with the
// application's default settings. A job is done when its transaction has
// committed; chains and batches are its own.
type spotpool struct {
	servers  *Servers
	settings config.Settings
	admin    *sql.DB
	db       *db.DB
	box      *seal.Box

	t        *tally
	started  atomic.Int64 // jobs that must end
	finished atomic.Int64 // jobs recorded as done
	system   *jobs.System
	stop     func() error
}

var benchKind = jobs.Kind[place]{
	Name: "bench:job", Queue: "bench", Tries: 3, Backoff: jobs.Fixed(time.Second), Timeout: time.Minute,
}

func openSpotpool(ctx context.Context, s *Servers) (Engine, error) {
	e := &spotpool{servers: s}
	unset := func(string) (string, bool) { return "", false }
	var err error
	if e.settings, err = config.Load(pflag.NewFlagSet("", pflag.ContinueOnError), unset); err != nil {
		return nil, err
	}
	if e.box, err = seal.NewBox([]byte("a secret for benchmarks only")); err != nil {
		return nil, err
	}
	if e.admin, err = s.openMySQL(ctx); err != nil {
		return nil, err
	}
	if e.db, err = db.Open(ctx, s.mysqlTarget()); err == nil {
		err = e.db.Migrate(ctx, io.Discard)
	}
	if err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

func (e *spotpool) Versions(ctx context.Context) ([]string, error) {
	var version string
	err := e.admin.QueryRowContext(ctx, "SELECT VERSION()").Scan(&version)
	return []string{"MariaDB or MySQL " + version}, err
}

func (e *spotpool) Run(ctx context.Context, c Case) (Result, error) { return run(ctx, e, c) }

func (e *spotpool) Start(ctx context.Context, c Case, t *tally) error {
	e.t, e.stop = t, func() error { return nil }
	e.started.Store(0)
	e.finished.Store(0)
	if err := truncateMySQL(ctx, e.admin); err != nil {
		return err
	}
	if err := e.servers.flush(ctx); err != nil {
		return err
	}
	conn, err := jobs.ParseRedis(e.servers.RedisAddr)
	if err != nil {
		return err
	}
	e.system = jobs.New(jobs.Options{
		DB: e.db, Redis: conn, Clock: clock.System{}, Box: e.box, Retention: e.settings.ShowFinished,
		Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	e.system.Observe(e.observe)
	if err := e.fill(ctx, c); err != nil {
		return err
	}
	e.work(c)
	return nil
}

// fill writes what the case wants to be there before: finished jobs into the
// database as runs leave them, waiting ones in the way that an application does.
func (e *spotpool) fill(ctx context.Context, c Case) error {
	const row = ", (?, '', 0, 0, 'bench:job', 'bench', '{\"group\":0,\"index\":0}', FALSE, '', 'done', 0, 0, 0, '', '', ?, ?, 0)"
	now := time.Now().UTC()
	for from := 0; from < c.Finished; from += insertChunk {
		n := min(insertChunk, c.Finished-from)
		var args []any
		for range n {
			args = append(args, uuid.Must(uuid.NewV7()), now, now)
		}
		_, err := e.admin.ExecContext(ctx, `INSERT INTO jobs (id, branch, stage, position, kind, queue, args, sealed, tags, state,
			attempts, generation, wakes, last_error, note, created_at, finished_at, delay_ms) VALUES `+strings.Repeat(row, n)[2:], args...)
		if err != nil {
			return err
		}
	}
	err := chunks(c.Waiting, func(from, to int) error {
		later := jobsOf(0, from, to)
		for i := range later {
			later[i] = later[i].In(24 * time.Hour)
		}
		return e.db.Tx(ctx, func(tx *db.Tx) error { return e.system.Client().Dispatch(tx, later...) })
	})
	if err != nil {
		return err
	}
	for { // until Redis has them all
		n, err := e.system.Redis().ZCard(ctx, "asynq:{bench}:scheduled").Result()
		if err != nil || int(n) == c.Waiting {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// work starts a worker and leaves in e.stop what stops it.
func (e *spotpool) work(c Case) {
	registry := jobs.NewRegistry()
	jobs.Handle(registry, benchKind, func(_ context.Context, _ *jobs.Attempt, p place) error {
		e.t.ran(p)
		return nil
	})
	cfg := jobs.WorkerConfig{
		Queues: map[string]int{benchKind.Queue: 1}, Concurrency: c.Workers, PollInterval: e.settings.PollInterval,
		DelayedInterval: e.settings.DelayedInterval, SweepInterval: e.settings.SweepInterval,
		StopTimeout: e.settings.StopTimeout,
	}
	if c.Poll > 0 {
		cfg.PollInterval = c.Poll
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	worker := e.system.Worker(registry, cfg)
	go func() { ended <- worker.Run(ctx) }()
	e.stop = func() error {
		cancel()
		return errors.Join(<-ended, e.system.Close())
	}
}

func (e *spotpool) observe(ev jobs.Event) {
	if ev.Result == "done" {
		e.finished.Add(1)
	}
}

// Noops dispatches jobs, insertChunk of them in one transaction.
func (e *spotpool) Noops(ctx context.Context, n int) error {
	e.started.Add(int64(n))
	return chunks(n, func(from, to int) error {
		return e.db.Tx(ctx, func(tx *db.Tx) error { return e.system.Client().Dispatch(tx, jobsOf(0, from, to)...) })
	})
}

// Chain starts a flow with a call of its own.
func (e *spotpool) Chain(ctx context.Context, group int) error {
	e.started.Add(chainSteps)
	_, err := e.system.Client().StartNow(ctx, subject(), chainOf(group))
	return err
}

func subject() jobs.Subject { return jobs.Subject{Kind: "bench", ID: uuid.Must(uuid.NewV7())} }

// Chains starts flows with StartAll, insertChunk jobs in one transaction.
func (e *spotpool) Chains(ctx context.Context, n int) error {
	for from := 0; from < n; from += insertChunk / chainSteps {
		var flows []jobs.Flow
		for g := from; g < min(from+insertChunk/chainSteps, n); g++ {
			flows = append(flows, chainOf(g))
		}
		if err := e.start(ctx, chainSteps, flows...); err != nil {
			return err
		}
	}
	return nil
}

func chainOf(group int) jobs.Flow {
	var steps []jobs.Stage
	for _, j := range jobsOf(group, 0, chainSteps) {
		steps = append(steps, j)
	}
	return jobs.Chain(steps...)
}

func (e *spotpool) Batch(ctx context.Context, group, size int) error {
	callback := benchKind.New(place{group, size - 1})
	return e.start(ctx, size, jobs.Chain(jobs.BatchOf(jobsOf(group, 0, size-1)), callback))
}

// jobsOf returns jobs of a group as Dispatch and BatchOf take them.
func jobsOf(group, from, to int) []jobs.Job {
	js := make([]jobs.Job, 0, to-from)
	for i := from; i < to; i++ {
		js = append(js, benchKind.New(place{group, i}))
	}
	return js
}

// start starts flows of size jobs each in one transaction.
func (e *spotpool) start(ctx context.Context, size int, flows ...jobs.Flow) error {
	e.started.Add(int64(size * len(flows)))
	all := make([]jobs.Beginning, len(flows))
	for i, f := range flows {
		all[i] = jobs.Beginning{Subject: subject(), Flow: f}
	}
	return e.db.Tx(ctx, func(tx *db.Tx) error {
		_, err := e.system.Client().StartAll(tx, all...)
		return err
	})
}

func (e *spotpool) Settled(context.Context) (bool, error) {
	return e.finished.Load() >= e.started.Load(), nil
}

func (e *spotpool) Stop() error { return e.stop() }

// Statements reads the whole server's figures: others must leave it alone meanwhile.
func (e *spotpool) Statements(ctx context.Context) (s Statements, err error) {
	const status = "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = ?"
	err = errors.Join(
		e.admin.QueryRowContext(ctx, status, "QUESTIONS").Scan(&s.All),
		e.admin.QueryRowContext(ctx, status, "COM_COMMIT").Scan(&s.Commits),
	)
	return s, err
}

func (e *spotpool) Close() error {
	var errs []error
	if e.db != nil {
		errs = append(errs, e.db.Close())
	}
	_, err := e.admin.ExecContext(context.Background(), "DROP DATABASE IF EXISTS "+e.servers.database)
	return errors.Join(append(errs, err, e.admin.Close())...)
}

// truncateMySQL empties every table but the one that notes the migrations.
func truncateMySQL(ctx context.Context, admin *sql.DB) error {
	conn, err := admin.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	tables, err := tablesOf(ctx, conn)
	if err != nil {
		return err
	}
	statements := []string{"SET FOREIGN_KEY_CHECKS = 0"}
	for _, name := range tables {
		statements = append(statements, fmt.Sprintf("TRUNCATE TABLE `%s`", name))
	}
	for _, s := range append(statements, "SET FOREIGN_KEY_CHECKS = 1") {
		if _, err := conn.ExecContext(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

func tablesOf(ctx context.Context, conn *sql.Conn) (names []string, err error) {
	rows, err := conn.QueryContext(ctx, `SELECT table_name FROM information_schema.tables
		WHERE table_schema = DATABASE() AND table_name <> 'goose_db_version'`)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, rows.Err()
}
