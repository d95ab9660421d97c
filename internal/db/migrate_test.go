package db_test

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/db/dbtest"
	"github.com/spotpool/spotpool/migrations"
)

func open(t *testing.T, target string) *db.DB {
	t.Helper()
	d, err := db.Open(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

// known returns how many migrations there are; they are numbered from 1.
func known(t *testing.T) int {
	t.Helper()
	files, err := fs.Glob(migrations.FS, "*.sql")
	if err != nil || len(files) == 0 {
		t.Fatal(len(files), err)
	}
	return len(files)
}

func TestMigrate(t *testing.T) {
	d := open(t, dbtest.Target(t))
	if err := d.CheckSchema(t.Context()); !errors.Is(err, db.ErrSchemaBehind) {
		t.Errorf("before: %v, want ErrSchemaBehind", err)
	}
	var out strings.Builder
	if err := d.Migrate(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "migrated "); n != known(t) {
		t.Errorf("%d lines for %d migrations:\n%s", n, known(t), out.String())
	}
	if err := d.CheckSchema(t.Context()); err != nil {
		t.Errorf("after: %v", err)
	}
	out.Reset()
	if err := d.Migrate(t.Context(), &out); err != nil || out.Len() > 0 {
		t.Errorf("a second time: %v, %q", err, out.String())
	}
}

func TestMigrateReportsWhatFails(t *testing.T) {
	d := open(t, dbtest.Target(t))
	if err := d.Tx(t.Context(), func(tx *db.Tx) error { return tx.Exec("CREATE TABLE flows (id INT)").Error }); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	err := d.Migrate(t.Context(), &out)
	if err == nil || !strings.Contains(err.Error(), "flows") {
		t.Errorf("%v, want a word about the table that is in the way", err)
	}
	if !strings.Contains(out.String(), "migrated 00001_") || strings.Contains(out.String(), "flows") {
		t.Errorf("said to have run:\n%s", out.String())
	}
}

func TestCheckSchema(t *testing.T) {
	d := dbtest.Open(t)
	change := func(query string, args ...any) {
		t.Helper()
		if err := d.Tx(t.Context(), func(tx *db.Tx) error { return tx.Exec(query, args...).Error }); err != nil {
			t.Fatal(err)
		}
	}
	change("INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, TRUE)")
	if err := d.CheckSchema(t.Context()); err != nil {
		t.Errorf("an older program must go on while a newer one is rolled out: %v", err)
	}
	change("DELETE FROM goose_db_version WHERE version_id IN (99999, ?)", known(t))
	if err := d.CheckSchema(t.Context()); !errors.Is(err, db.ErrSchemaBehind) {
		t.Errorf("one behind: %v, want ErrSchemaBehind", err)
	}
}

func TestProcessesMayMigrateAtOnce(t *testing.T) {
	target := dbtest.Target(t)
	const processes = 8
	type result struct {
		out string
		err error
	}
	results := make(chan result, processes)
	start := make(chan struct{})
	for range processes {
		d := open(t, target)
		go func() {
			var out strings.Builder
			<-start
			err := d.Migrate(t.Context(), &out)
			results <- result{out.String(), err}
		}()
	}
	close(start)
	ran := map[string]int{}
	for range processes {
		r := <-results
		if r.err != nil {
			t.Error(r.err)
		}
		for line := range strings.Lines(r.out) {
			ran[strings.Fields(line)[1]]++
		}
	}
	for file, n := range ran {
		if n != 1 {
			t.Errorf("%s ran %d times", file, n)
		}
	}
	if err := open(t, target).CheckSchema(t.Context()); err != nil {
		t.Error(err)
	}
}
