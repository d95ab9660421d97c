// Package dbtest gives each test a migrated database of its own.
package dbtest

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
)

// Open returns an empty, migrated database: a SQLite file, or, when
// SPOTPOOL_TEST_MYSQL names a server, a MySQL database that is dropped when the test ends.
func Open(t testing.TB) *db.DB {
	t.Helper()
	d, err := db.Open(t.Context(), Target(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	if err := d.Migrate(t.Context(), io.Discard); err != nil {
		t.Fatal(err)
	}
	return d
}

// Target returns the name of a new, empty database in the form that db.Open takes.
func Target(t testing.TB) string {
	t.Helper()
	server := os.Getenv("SPOTPOOL_TEST_MYSQL")
	if server == "" {
		return "sqlite:" + filepath.Join(t.TempDir(), "spotpool.db")
	}
	cfg, err := db.MySQLConfig(server)
	if err != nil {
		t.Fatal(err)
	}
	name := "spotpool_test_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	admin := cfg.Clone()
	admin.DBName = ""
	run(t, admin, "CREATE DATABASE "+name)
	t.Cleanup(func() { run(t, admin, "DROP DATABASE "+name) })
	cfg.DBName = name
	return cfg.FormatDSN()
}

func run(t testing.TB, cfg *mysql.Config, statement string) {
	t.Helper()
	pool, err := sql.Open("mysql", cfg.FormatDSN())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = pool.Close() }()
	if _, err := pool.ExecContext(context.Background(), statement); err != nil {
		t.Fatal(fmt.Errorf("%s: %w", statement, err))
	}
}
