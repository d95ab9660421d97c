package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/gofrs/flock"
	"github.com/pressly/goose/v3"

	"github.com/spotpool/spotpool/migrations"
)

// ErrSchemaBehind says that migrations wait to be run.
var ErrSchemaBehind = errors.New("the database schema is behind this program: run `spotpool migrate`")

// lockWait bounds how long a process waits for another one that migrates.
const lockWait = time.Minute

var errLockHeld = fmt.Errorf("another process held the migration lock for %s", lockWait)

// Migrate brings the schema up to date and writes a line to out for each
// migration it ran. Several processes may call it at once; one of them works.
func (d *DB) Migrate(ctx context.Context, out io.Writer) error {
	p, pool, err := d.provider()
	if err != nil {
		return err
	}
	unlock, err := d.lock(ctx, pool)
	if err != nil {
		return err
	}
	defer unlock()
	results, err := p.Up(ctx)
	var partial *goose.PartialError
	if errors.As(err, &partial) {
		results = partial.Applied
	}
	for _, r := range results {
		fmt.Fprintf(out, "migrated %s in %s\n", r.Source.Path, r.Duration.Round(time.Millisecond))
	}
	return err
}

// CheckSchema returns ErrSchemaBehind when migrations wait.
func (d *DB) CheckSchema(ctx context.Context) error {
	p, _, err := d.provider()
	if err != nil {
		return err
	}
	pending, err := p.HasPending(ctx)
	if err != nil {
		return fmt.Errorf("read the schema's version: %w", err)
	}
	if pending {
		return ErrSchemaBehind
	}
	return nil
}

func (d *DB) provider() (*goose.Provider, *sql.DB, error) {
	pool, err := d.schema.DB()
	if err != nil {
		return nil, nil, err
	}
	p, err := goose.NewProvider(goose.Dialect(d.dialect), pool, migrations.FS, goose.WithDisableGlobalRegistry(true))
	return p, pool, err
}

// lock takes the lock under which migrations run: a process that made its plan
// before another one finished would create again what a later migration dropped.
func (d *DB) lock(ctx context.Context, pool *sql.DB) (unlock func(), err error) {
	if d.dialect == "mysql" {
		return lockMySQL(ctx, pool)
	}
	return lockFile(ctx, d.path+".migrating")
}

// lockFile takes a lock that the system gives back when the process ends.
func lockFile(ctx context.Context, path string) (unlock func(), err error) {
	within, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	lock := flock.New(path)
	switch got, err := lock.TryLockContext(within, 20*time.Millisecond); {
	case got:
		return func() { _ = lock.Close() }, nil
	case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
		return nil, errLockHeld
	default:
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
}

// lockMySQL takes a named lock on a connection of its own.
func lockMySQL(ctx context.Context, pool *sql.DB) (unlock func(), err error) {
	conn, err := pool.Conn(ctx)
	if err != nil {
		return nil, err
	}
	// The name holds the database's, since MySQL's named locks are the whole server's.
	const name = "LEFT(CONCAT('spotpool:', DATABASE()), 64)"
	var got sql.NullInt64
	err = conn.QueryRowContext(ctx, "SELECT GET_LOCK("+name+", ?)", int(lockWait.Seconds())).Scan(&got)
	if err == nil && got.Int64 != 1 {
		err = errLockHeld
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return func() {
		_, _ = conn.ExecContext(context.WithoutCancel(ctx), "DO RELEASE_LOCK("+name+")")
		_ = conn.Close()
	}, nil
}
