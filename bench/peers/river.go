package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

// riverQueue is River on PostgreSQL. Its free version has neither chains nor
// batches, so they are built as its documentation suggests: a handler inserts
// the next step, or counts a batch down and inserts its callback, in the
// transaction that completes its own job.
type riverQueue struct {
	servers    *Servers
	admin      *pgx.Conn
	statements atomic.Int64 // sent by this process

	t      *tally
	c      Case
	pool   *pgxpool.Pool
	client *river.Client[pgx.Tx]
}

type riverArgs struct{ place }

// Kind implements river.JobArgs.
func (riverArgs) Kind() string { return "bench" }

type riverWorker struct {
	river.WorkerDefaults[riverArgs]
	queue *riverQueue
}

func openRiver(ctx context.Context, s *Servers) (Engine, error) {
	e := &riverQueue{servers: s}
	var err error
	if e.admin, err = s.openPostgres(ctx); err != nil {
		return nil, err
	}
	if err := e.migrate(ctx); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

func (e *riverQueue) migrate(ctx context.Context) error {
	pool, err := pgxpool.New(ctx, e.servers.postgresTarget())
	if err != nil {
		return err
	}
	defer pool.Close()
	m, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Logger: quiet})
	if err != nil {
		return err
	}
	if _, err := m.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return err
	}
	_, err = pool.Exec(ctx, "CREATE TABLE bench_batches (id int PRIMARY KEY, pending int NOT NULL)")
	return err
}

// quiet is a log of what goes wrong.
var quiet = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))

func (e *riverQueue) Versions(ctx context.Context) ([]string, error) {
	var version string
	err := e.admin.QueryRow(ctx, "SHOW server_version").Scan(&version)
	return []string{moduleVersion("github.com/riverqueue/river"), "PostgreSQL " + version}, err
}

func (e *riverQueue) Run(ctx context.Context, c Case) (Result, error) { return run(ctx, e, c) }

func (e *riverQueue) Start(ctx context.Context, c Case, t *tally) error {
	e.t, e.c, e.client = t, c, nil
	cfg, err := pgxpool.ParseConfig(e.servers.postgresTarget())
	if err != nil {
		return err
	}
	cfg.MaxConns, cfg.ConnConfig.Tracer = poolSize, e
	if e.pool, err = pgxpool.NewWithConfig(ctx, cfg); err != nil {
		return err
	}
	if _, err := e.pool.Exec(ctx, "TRUNCATE river_job, bench_batches"); err != nil {
		return err
	}
	workers := river.NewWorkers()
	river.AddWorker(workers, &riverWorker{queue: e})
	rc := &river.Config{
		Logger: quiet, Workers: workers,
		Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: c.Workers}},
	}
	if c.Poll > 0 {
		rc.FetchCooldown, rc.FetchPollInterval = river.FetchCooldownMin, c.Poll
	}
	client, err := river.NewClient(riverpgxv5.New(e.pool), rc)
	if err != nil {
		return err
	}
	e.client = client
	return client.Start(context.WithoutCancel(ctx))
}

// Work is the handler of every job.
func (w *riverWorker) Work(ctx context.Context, job *river.Job[riverArgs]) error {
	e, p := w.queue, job.Args.place
	e.t.ran(p)
	last := p.Index == len(e.t.groups[p.Group].runs)-1
	if e.c.Kind == noop || last {
		return nil
	}
	return pgx.BeginFunc(ctx, e.pool, func(tx pgx.Tx) error {
		next, err := e.next(ctx, tx, p)
		if err != nil {
			return err
		}
		if next != nil {
			if _, err := e.client.InsertTx(ctx, tx, *next, nil); err != nil {
				return err
			}
		}
		_, err = river.JobCompleteTx[*riverpgxv5.Driver](ctx, tx, job)
		return err
	})
}

// next returns the job that a finished one makes ready, or nil.
func (e *riverQueue) next(ctx context.Context, tx pgx.Tx, p place) (*riverArgs, error) {
	if e.c.Kind == chain {
		return &riverArgs{place{p.Group, p.Index + 1}}, nil
	}
	var pending int
	err := tx.QueryRow(ctx, "UPDATE bench_batches SET pending = pending - 1 WHERE id = $1 RETURNING pending", p.Group).Scan(&pending)
	if err != nil || pending > 0 {
		return nil, err
	}
	return &riverArgs{place{p.Group, e.c.Size - 1}}, nil
}

// Noops inserts jobs with InsertMany, insertChunk at a time.
func (e *riverQueue) Noops(ctx context.Context, n int) error {
	return chunks(n, func(from, to int) error {
		_, err := e.client.InsertMany(ctx, riverJobs(0, from, to))
		return err
	})
}

func riverJobs(group, from, to int) []river.InsertManyParams {
	ps := make([]river.InsertManyParams, 0, to-from)
	for i := from; i < to; i++ {
		ps = append(ps, river.InsertManyParams{Args: riverArgs{place{group, i}}})
	}
	return ps
}

func (e *riverQueue) Chain(ctx context.Context, group int) error {
	_, err := e.client.Insert(ctx, riverArgs{place{group, 0}}, nil)
	return err
}

// Chains inserts the first steps with InsertMany.
func (e *riverQueue) Chains(ctx context.Context, n int) error {
	return chunks(n, func(from, to int) error {
		ps := make([]river.InsertManyParams, 0, to-from)
		for g := from; g < to; g++ {
			ps = append(ps, river.InsertManyParams{Args: riverArgs{place{g, 0}}})
		}
		_, err := e.client.InsertMany(ctx, ps)
		return err
	})
}

func (e *riverQueue) Batch(ctx context.Context, group, size int) error {
	return pgx.BeginFunc(ctx, e.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "INSERT INTO bench_batches VALUES ($1, $2)", group, size-1); err != nil {
			return err
		}
		return chunks(size-1, func(from, to int) error {
			_, err := e.client.InsertManyTx(ctx, tx, riverJobs(group, from, to))
			return err
		})
	})
}

func (e *riverQueue) Settled(ctx context.Context) (ok bool, err error) {
	err = e.pool.QueryRow(ctx, `SELECT NOT EXISTS (SELECT FROM river_job
		WHERE state IN ('available', 'pending', 'retryable', 'running', 'scheduled'))`).Scan(&ok)
	return ok, err
}

// Stop closes the connections too: PostgreSQL then adds up their figures.
func (e *riverQueue) Stop() (err error) {
	if e.client != nil {
		ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
		defer cancel()
		err = e.client.Stop(ctx)
	}
	if e.pool != nil {
		e.pool.Close()
	}
	return err
}

// Statements counts what this process sent. The commits are the server's, of
// this database: each statement outside a transaction is one too.
func (e *riverQueue) Statements(ctx context.Context) (s Statements, err error) {
	time.Sleep(500 * time.Millisecond) // until the closed connections are added up
	s.All = e.statements.Load()
	err = e.admin.QueryRow(ctx, "SELECT xact_commit FROM pg_stat_database WHERE datname = $1", e.servers.database).Scan(&s.Commits)
	return s, err
}

// TraceQueryStart implements pgx.QueryTracer.
func (e *riverQueue) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	e.statements.Add(1)
	return ctx
}

// TraceQueryEnd implements pgx.QueryTracer.
func (e *riverQueue) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (e *riverQueue) Close() error {
	ctx := context.Background()
	_, err := e.admin.Exec(ctx, "DROP DATABASE IF EXISTS "+e.servers.database)
	return errors.Join(err, e.admin.Close(ctx))
}
