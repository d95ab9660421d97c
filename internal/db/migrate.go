package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/pressly/goose/v3"

	"github.com/spotpool/spotpool/migrations"
)

// ErrSchemaBehind says that migrations wait to be run.
var ErrSchemaBehind = errors.New("the database schema is behind this program: run `spotpool migrate`")

// Migrate brings the schema up to date and writes a line to out for each
// migration it ran. Several processes may call it at once; one of them works.
func (d *DB) Migrate(ctx context.Context, out io.Writer) (err error) {
	p, pool, err := d.provider()
	if err != nil {
		return err
	}
	if d.dialect == "mysql" {
		unlock, err := lockMySQL(ctx, pool)
		if err != nil {
			return err
		}
		defer unlock()
	}
	return up(ctx, p, out)
}

// up runs what waits. SQLite has no lock to hold meanwhile; there a migration and
// the note that it ran are one transaction, so one that fails and yet is noted was
// run by another process, and up goes on behind it.
func up(ctx context.Context, p *goose.Provider, out io.Writer) error {
	for {
		results, err := p.Up(ctx)
		var partial *goose.PartialError
		if errors.As(err, &partial) {
			results = partial.Applied
		}
		for _, r := range results {
			fmt.Fprintf(out, "migrated %s in %s\n", r.Source.Path, r.Duration.Round(time.Millisecond))
		}
		if partial == nil {
			return err
		}
		version, readErr := p.GetDBVersion(ctx)
		if readErr != nil || version < partial.Failed.Source.Version {
			return errors.Join(err, readErr)
		}
	}
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

// lockMySQL takes a named lock on a connection of its own, waiting up to a minute.
func lockMySQL(ctx context.Context, pool *sql.DB) (unlock func(), err error) {
	conn, err := pool.Conn(ctx)
	if err != nil {
		return nil, err
	}
	// The name holds the database's, since MySQL's named locks are the whole server's.
	const name = "LEFT(CONCAT('spotpool:', DATABASE()), 64)"
	var got sql.NullInt64
	err = conn.QueryRowContext(ctx, "SELECT GET_LOCK("+name+", 60)").Scan(&got)
	if err == nil && got.Int64 != 1 {
		err = errors.New("another process held the migration lock for a minute")
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return func() {
		_, _ = conn.ExecContext(context.WithoutCancel(ctx), "DO RELEASE_LOCK("+name+")")
		_ = conn.Close()
	}, nil
}
