package db

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	mysqldriver "github.com/go-sql-driver/mysql"
	"github.com/libtnb/sqlite"
	"gorm.io/driver/mysql"
	sqlitedriver "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// How many connections a process holds: to MySQL for transactions and for reads
// outside of any, and how many readers to SQLite.
const (
	mysqlWriters  = 16
	mysqlReaders  = 8
	sqliteReaders = 24
)

// ErrTarget says that Open was given no name of a database.
var ErrTarget = errors.New("database: want sqlite:PATH or mysql://user:password@host:port/name")

func open(target string) (*DB, error) {
	if path, ok := strings.CutPrefix(target, "sqlite:"); ok && path != "" {
		return openSQLite(path)
	}
	cfg, err := MySQLConfig(target)
	if err != nil {
		return nil, err
	}
	return openMySQL(cfg)
}

func openSQLite(path string) (*DB, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	// synchronous=FULL: a commit that was answered survives a power cut too.
	common := "file:" + uriPath.Replace(path) + "?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)" +
		"&_pragma=busy_timeout(10000)&_time_format=sqlite&_timezone=UTC"
	write, err := sql.Open(sqlite.DriverName, common+"&_txlock=immediate")
	if err != nil {
		return nil, err
	}
	limitPool(write, 1)
	read, err := sql.Open(sqlite.DriverName, common+"&_pragma=query_only(1)")
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	limitPool(read, sqliteReaders)
	d := &DB{dialect: "sqlite3", path: path, transient: sqliteBusy}
	if d.write, err = wrap(sqlite.New(sqlite.Config{Conn: write})); err == nil {
		d.read, err = wrap(sqlite.New(sqlite.Config{Conn: read}))
		d.schema = d.write
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), write.Close(), read.Close())
	}
	return d, nil
}

// uriPath escapes what would end the path of a URI, or begin an escape in it.
var uriPath = strings.NewReplacer("%", "%25", "?", "%3F", "#", "%23")

func sqliteBusy(err error) bool {
	var e *sqlitedriver.Error
	return errors.As(err, &e) && e.Code()&0xff == sqlite3.SQLITE_BUSY
}

// MySQLConfig reads both forms of a MySQL target.
func MySQLConfig(target string) (*mysqldriver.Config, error) {
	dsn := target
	if strings.HasPrefix(target, "mysql://") {
		u, err := url.Parse(target)
		if err != nil || u.Host == "" {
			return nil, ErrTarget
		}
		host := u.Host
		if u.Port() == "" {
			host += ":3306"
		}
		pass, _ := u.User.Password()
		dsn = fmt.Sprintf("%s:%s@tcp(%s)%s?%s", u.User.Username(), pass, host, "/"+strings.Trim(u.Path, "/"), u.RawQuery)
	}
	cfg, err := mysqldriver.ParseDSN(dsn)
	if err != nil || dsn == "" {
		return nil, ErrTarget
	}
	cfg.ParseTime = true
	cfg.Loc = time.UTC
	// A server that has gone silent must not hold a worker for TCP's quarter of an hour.
	cfg.Timeout = cmp.Or(cfg.Timeout, 5*time.Second)
	cfg.ReadTimeout = cmp.Or(cfg.ReadTimeout, time.Minute)
	cfg.WriteTimeout = cmp.Or(cfg.WriteTimeout, time.Minute)
	cfg.ClientFoundRows = true   // RowsAffected then counts the rows matched, as a compare-and-set needs
	cfg.InterpolateParams = true // one round trip a statement
	return cfg, nil
}

func openMySQL(cfg *mysqldriver.Config) (*DB, error) {
	base, err := mysqldriver.NewConnector(cfg)
	if err != nil {
		return nil, err
	}
	read, write := sql.OpenDB(readCommitted{base}), sql.OpenDB(transactional{readCommitted{base}})
	limitPool(read, mysqlReaders)
	limitPool(write, mysqlWriters)
	d := &DB{dialect: "mysql", transient: mysqlTransient}
	if d.write, err = wrap(mysql.New(mysql.Config{Conn: write, SkipInitializeWithVersion: true})); err == nil {
		d.read, err = wrap(mysql.New(mysql.Config{Conn: read, SkipInitializeWithVersion: true}))
		d.schema = d.read
	}
	if err != nil {
		return nil, errors.Join(err, read.Close(), write.Close())
	}
	return d, nil
}

// mysqlTransient knows deadlock (1213) and lock wait timeout (1205).
func mysqlTransient(err error) bool {
	var e *mysqldriver.MySQLError
	return errors.As(err, &e) && (e.Number == 1213 || e.Number == 1205)
}

// readCommitted opens connections at READ COMMITTED: a statement sees what was
// committed before it began, so that a count taken under a lock is the newest,
// and no gap locks are held. The variable's name differs between MySQL and
// MariaDB, the statement does not.
type readCommitted struct{ driver.Connector }

func (c readCommitted) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return conn, set(ctx, conn, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
}

// set runs a statement on a new connection, which it closes on an error.
func set(ctx context.Context, conn driver.Conn, statement string) error {
	_, err := conn.(driver.ExecerContext).ExecContext(ctx, statement, nil)
	if err != nil {
		err = errors.Join(err, conn.Close())
	}
	return err
}
