// Package db opens the database, MySQL or SQLite, and runs transactions on it.
//
// Reads and writes go through different handles: SQLite allows one writer, so
// it gets one connection for transactions and a pool for reads; on MySQL a pool for
// transactions spares them the round trip that begins one.
package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/logger"
)

// ErrDuplicate is what an insert returns when its key is taken already.
var ErrDuplicate = gorm.ErrDuplicatedKey

// ErrNotFound is what First and Take return when no row fits.
var ErrNotFound = gorm.ErrRecordNotFound

// ForUpdate locks the rows that a query reads until the transaction ends. On
// SQLite it says nothing: a transaction there holds the only write lock already.
var ForUpdate = clause.Locking{Strength: "UPDATE"}

// DB is an open database.
type DB struct {
	dialect     string // "mysql" or "sqlite3", as goose names them
	path        string // SQLite's file
	read, write *gorm.DB
	schema      *gorm.DB // of the two, the one that migrations run on
	transient   func(error) bool
}

// Read returns a handle for queries outside a transaction.
func (d *DB) Read(ctx context.Context) *gorm.DB { return d.read.WithContext(ctx) }

// Tx is an open transaction. Functions that must not run outside one take it as an argument.
type Tx struct {
	*gorm.DB
	transient func(error) bool
	broken    error // the deadlock or lock timeout that a statement met
	after     []func()
}

type txKey struct{}

// note remembers an error after which the transaction cannot go on. After a
// deadlock the server has rolled back already, and would commit each further
// statement by itself: whoever swallows the error must not make that happen.
func (tx *Tx) note(err error) {
	if err != nil && tx.transient(err) {
		tx.broken = err
	}
}

// watch has the statements that go through gorm note their errors, and refuses
// those that come after one.
func (d *DB) watch() error {
	with := func(do func(tx *Tx, g *gorm.DB)) func(*gorm.DB) {
		return func(g *gorm.DB) {
			if tx, ok := g.Statement.Context.Value(txKey{}).(*Tx); ok {
				do(tx, g)
			}
		}
	}
	refuse := with(func(tx *Tx, g *gorm.DB) {
		if tx.broken != nil {
			_ = g.AddError(tx.broken)
		}
	})
	note := with(func(tx *Tx, g *gorm.DB) { tx.note(g.Error) })
	const before, after = "spotpool:refuse", "spotpool:note"
	cb := d.write.Callback()
	return errors.Join(
		cb.Create().Before("*").Register(before, refuse), cb.Create().After("*").Register(after, note),
		cb.Query().Before("*").Register(before, refuse), cb.Query().After("*").Register(after, note),
		cb.Update().Before("*").Register(before, refuse), cb.Update().After("*").Register(after, note),
		cb.Delete().Before("*").Register(before, refuse), cb.Delete().After("*").Register(after, note),
		cb.Row().Before("*").Register(before, refuse), cb.Row().After("*").Register(after, note),
		cb.Raw().Before("*").Register(before, refuse), cb.Raw().After("*").Register(after, note),
	)
}

// After runs fn once the transaction has committed, and not at all when it rolls back.
func (tx *Tx) After(fn func()) { tx.after = append(tx.after, fn) }

// Nested runs fn and undoes what it wrote when it returns an error, which comes
// back as said. err is an error of the transaction itself: it cannot go on.
func (tx *Tx) Nested(fn func() error) (said, err error) {
	const point = "nested"
	if err := tx.SavePoint(point).Error; err != nil {
		return nil, err
	}
	after := len(tx.after)
	if said = fn(); said == nil {
		return nil, nil
	}
	tx.after = tx.after[:after]
	if tx.broken != nil {
		return said, tx.broken // with the transaction, the savepoint is gone
	}
	return said, tx.RollbackTo(point).Error
}

// Write runs one statement past gorm, whose reflection costs as much as a large
// insert itself. Its errors are gorm's: ErrDuplicate for a key that is taken.
func (tx *Tx) Write(query string, args ...any) error {
	if tx.broken != nil {
		return tx.broken
	}
	_, err := tx.Statement.ConnPool.ExecContext(tx.Statement.Context, query, args...)
	tx.note(err)
	if t, ok := tx.Dialector.(gorm.ErrorTranslator); ok && err != nil {
		err = t.Translate(err)
	}
	return err
}

// Change runs one statement and returns how many rows it matched: the
// compare-and-set that every state change is made with.
func (tx *Tx) Change(query string, args ...any) (int64, error) {
	res := tx.Exec(query, args...)
	return res.RowsAffected, res.Error
}

// maxTries bounds how often a transaction that lost to a deadlock or a lock timeout starts again.
const maxTries = 8

// Tx runs fn in a transaction and commits when fn returns nil. When the database
// reports a deadlock or a lock timeout, it rolls back and runs fn again, whatever
// fn made of the error, so fn must have no effect outside the transaction.
func (d *DB) Tx(ctx context.Context, fn func(tx *Tx) error) error {
	for try := 1; ; try++ {
		tx := &Tx{transient: d.transient}
		err := d.write.WithContext(context.WithValue(ctx, txKey{}, tx)).Transaction(func(g *gorm.DB) error {
			tx.DB = g
			if err := fn(tx); tx.broken == nil {
				return err
			}
			return tx.broken
		})
		if err == nil {
			for _, run := range tx.after {
				run()
			}
			return nil
		}
		if try == maxTries || !d.transient(err) {
			return err
		}
		if err := pause(ctx, try); err != nil {
			return err
		}
	}
}

// pause waits a random time that grows with the number of tries.
func pause(ctx context.Context, try int) error {
	t := time.NewTimer(time.Duration(rand.IntN(5*try)+1) * time.Millisecond)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// Ping fails when the database cannot be reached.
func (d *DB) Ping(ctx context.Context) error {
	s, err := d.read.DB()
	if err != nil {
		return err
	}
	return s.PingContext(ctx)
}

// Close closes all connections.
func (d *DB) Close() error {
	var errs []error
	for _, g := range []*gorm.DB{d.read, d.write} {
		s, err := g.DB()
		if err == nil {
			err = s.Close()
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Open opens the database that target names:
//
//	sqlite:PATH                          a file, made when missing
//	mysql://user:password@host:port/name a MySQL 8.4 or MariaDB ≥ 10.6 server; ?tls=true for TLS
//	user:password@tcp(host:port)/name    the same in the Go driver's own form
func Open(ctx context.Context, target string) (*DB, error) {
	d, err := open(target)
	if err != nil {
		return nil, err
	}
	if err := d.watch(); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	if err := d.Ping(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("database is not reachable: %w", err), d.Close())
	}
	return d, nil
}

// wrap puts gorm over an open pool.
func wrap(dialector gorm.Dialector) (*gorm.DB, error) {
	return gorm.Open(dialector, &gorm.Config{
		SkipDefaultTransaction: true,
		TranslateError:         true,
		DisableAutomaticPing:   true,           // Open does, and heeds its context
		Logger:                 logger.Discard, // errors are returned; the caller logs them once
		NowFunc:                func() time.Time { return time.Now().UTC() },
	})
}

func limitPool(s *sql.DB, open int) {
	s.SetMaxOpenConns(open)
	s.SetMaxIdleConns(open)
}
