package db

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
)

// Pace returns how many transactions of one inserted row the database makes durable
// in a second. They come for the given time from all connections that so many
// processes of this program would hold, into a table that is dropped afterwards.
func Pace(ctx context.Context, target string, processes int, span time.Duration) (perSecond float64, err error) {
	pools := make([]*DB, 0, processes)
	defer func() {
		for _, d := range pools {
			err = errors.Join(err, d.Close())
		}
	}()
	for range processes {
		d, err := Open(ctx, target)
		if err != nil {
			return 0, err
		}
		pools = append(pools, d)
	}
	schema := pools[0].schema.WithContext(context.WithoutCancel(ctx))
	table := "pace_" + uuid.NewString()[:8]
	if err := schema.Exec("CREATE TABLE " + table + " (id CHAR(36) NOT NULL PRIMARY KEY)").Error; err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, schema.Exec("DROP TABLE "+table).Error) }()
	return commitFor(ctx, pools, "INSERT INTO "+table+" (id) VALUES (?)", span)
}

// commitFor commits rows from all connections of the pools until the time is over.
func commitFor(ctx context.Context, pools []*DB, insert string, span time.Duration) (perSecond float64, err error) {
	var commits atomic.Int64
	var wg sync.WaitGroup
	failed := make(chan error, len(pools)*mysqlWriters)
	began := time.Now()
	for _, d := range pools {
		for range mysqlWriters {
			wg.Go(func() {
				for time.Since(began) < span && ctx.Err() == nil {
					err := d.Tx(ctx, func(tx *Tx) error { return tx.Write(insert, uuid.Must(uuid.NewV7()).String()) })
					if err != nil {
						failed <- err
						return
					}
					commits.Add(1)
				}
			})
		}
	}
	wg.Wait()
	close(failed)
	for one := range failed {
		err = errors.Join(err, one)
	}
	return float64(commits.Load()) / time.Since(began).Seconds(), err
}

// Commits returns how many transactions the MySQL server has committed since it
// started, those of all its databases. It is an error on SQLite, which does not count.
func (d *DB) Commits(ctx context.Context) (int64, error) {
	var status struct{ Value int64 }
	err := d.Read(ctx).Raw("SHOW GLOBAL STATUS LIKE 'Com_commit'").Scan(&status).Error
	return status.Value, err
}
