package db_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	mysqldriver "github.com/go-sql-driver/mysql"
	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/db/dbtest"
)

var errNo = errors.New("no")

func onMySQL() bool { return os.Getenv("SPOTPOOL_TEST_MYSQL") != "" }

// withCounters returns a database with a table of counters, all at zero.
func withCounters(t *testing.T, target string, counters ...int) *db.DB {
	t.Helper()
	d := open(t, target)
	inTx(t, d, func(tx *db.Tx) error {
		if err := tx.Exec("CREATE TABLE counters (id INT NOT NULL PRIMARY KEY, n INT NOT NULL)").Error; err != nil {
			return err
		}
		for _, id := range counters {
			if err := tx.Exec("INSERT INTO counters (id, n) VALUES (?, 0)", id).Error; err != nil {
				return err
			}
		}
		return nil
	})
	return d
}

func inTx(t *testing.T, d *db.DB, fn func(tx *db.Tx) error) {
	t.Helper()
	if err := d.Tx(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

func counter(t *testing.T, d *db.DB, id int) (n int) {
	t.Helper()
	if err := d.Read(t.Context()).Raw("SELECT n FROM counters WHERE id = ?", id).Scan(&n).Error; err != nil {
		t.Fatal(err)
	}
	return n
}

func add(tx *db.Tx, id int) error {
	n, err := tx.Change("UPDATE counters SET n = n + 1 WHERE id = ?", id)
	if err == nil && n != 1 {
		err = errors.New("the counter was not found")
	}
	return err
}

// lostRace returns an error as the driver makes it of a transaction that lost to another.
func lostRace(t *testing.T, d *db.DB, target string) (lost error) {
	t.Helper()
	if onMySQL() {
		return &mysqldriver.MySQLError{Number: 1213, Message: "Deadlock found"}
	}
	other, err := sql.Open("sqlite", "file:"+strings.TrimPrefix(target, "sqlite:")+"?_pragma=busy_timeout(0)&_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	inTx(t, d, func(*db.Tx) error {
		_, lost = other.BeginTx(t.Context(), nil)
		return nil
	})
	if lost == nil {
		t.Fatal("two transactions hold the write lock")
	}
	return lost
}

func TestTxCommitsOrRollsBack(t *testing.T) {
	d := withCounters(t, dbtest.Target(t), 1)
	var ran []string
	hooks := func(name string, err error) func(*db.Tx) error {
		return func(tx *db.Tx) error {
			tx.After(func() { ran = append(ran, name+" first") })
			if err := add(tx, 1); err != nil {
				return err
			}
			tx.After(func() {
				// The commit has happened: others see it, and a transaction may begin.
				if n := counter(t, d, 1); n != 1 {
					t.Errorf("a hook ran when the counter stood at %d", n)
				}
				inTx(t, d, func(*db.Tx) error { return nil })
				ran = append(ran, name+" second")
			})
			return err
		}
	}
	if err := d.Tx(t.Context(), hooks("rolled back", errNo)); err != errNo {
		t.Errorf("got %v, want the error of the function as it is", err)
	}
	if n := counter(t, d, 1); n != 0 || len(ran) > 0 {
		t.Errorf("after a rollback the counter stands at %d and ran %v", n, ran)
	}
	inTx(t, d, hooks("committed", nil))
	if want := []string{"committed first", "committed second"}; !slices.Equal(ran, want) {
		t.Errorf("hooks ran: %v, want %v", ran, want)
	}
}

func TestAPanicRollsBack(t *testing.T) {
	d := withCounters(t, dbtest.Target(t), 1)
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_ = d.Tx(t.Context(), func(tx *db.Tx) error {
			if err := add(tx, 1); err != nil {
				t.Error(err)
			}
			panic("boom")
		})
	}()
	inTx(t, d, func(tx *db.Tx) error { return add(tx, 1) }) // waits for ever if the connection is lost
	if n := counter(t, d, 1); n != 1 {
		t.Errorf("the counter stands at %d, want 1", n)
	}
}

func TestALostRaceIsTriedAgain(t *testing.T) {
	target := dbtest.Target(t)
	d := withCounters(t, target, 1)
	lost, tries, hooks := lostRace(t, d, target), 0, 0
	inTx(t, d, func(tx *db.Tx) error {
		tries++
		tx.After(func() { hooks++ })
		if err := add(tx, 1); err != nil {
			return err
		}
		if tries < 4 {
			return errors.Join(errNo, lost)
		}
		return nil
	})
	if n := counter(t, d, 1); tries != 4 || n != 1 || hooks != 1 {
		t.Errorf("%d tries left the counter at %d and ran %d hooks, want 4, 1, 1", tries, n, hooks)
	}
}

func TestTriesEnd(t *testing.T) {
	target := dbtest.Target(t)
	d := withCounters(t, target, 1)
	lost, tries := lostRace(t, d, target), 0
	err := d.Tx(t.Context(), func(tx *db.Tx) error {
		tries++
		tx.After(func() { t.Error("a hook ran") })
		return lost
	})
	if err != lost || tries != 8 {
		t.Errorf("%d tries ended with %v, want 8 and the last error", tries, err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	tries = 0
	err = d.Tx(ctx, func(*db.Tx) error {
		tries++
		cancel()
		return lost
	})
	if !errors.Is(err, context.Canceled) || tries != 1 {
		t.Errorf("%d tries ended with %v after the caller left, want 1 and its reason", tries, err)
	}

	tries = 0
	if err := d.Tx(t.Context(), func(*db.Tx) error { tries++; return errNo }); err != errNo || tries != 1 {
		t.Errorf("%d tries ended with %v, want 1: trying again helps nothing", tries, err)
	}
}

// A compare-and-set asks whether its condition held, not whether a value is new.
func TestChangeCountsTheRowsMatched(t *testing.T) {
	d := withCounters(t, dbtest.Target(t), 1, 2, 3)
	inTx(t, d, func(tx *db.Tx) error {
		for _, c := range []struct {
			query string
			want  int64
		}{
			{"UPDATE counters SET n = 0 WHERE id = 1", 1}, // as it was
			{"UPDATE counters SET n = n", 3},
			{"UPDATE counters SET n = 5 WHERE id = 1 AND n = 4", 0},
			{"UPDATE counters SET n = 5 WHERE id IN (2, 3, 4)", 2},
			{"INSERT INTO counters (id, n) VALUES (4, 0)", 1},
			{"DELETE FROM counters WHERE id = 9", 0},
		} {
			if n, err := tx.Change(c.query); n != c.want || err != nil {
				t.Errorf("%s: %d, %v, want %d", c.query, n, err, c.want)
			}
		}
		if _, err := tx.Change("UPDATE nothing SET n = 1"); err == nil {
			t.Error("a statement that fails has no error")
		}
		return nil
	})
}

func TestErrDuplicate(t *testing.T) {
	d := dbtest.Open(t)
	user := func(id uuid.UUID, phone string) map[string]any {
		return map[string]any{"id": id, "phone": phone, "role": "rider", "created_at": time.Now().UTC()}
	}
	one, two := uuid.New(), uuid.New()
	inTx(t, d, func(tx *db.Tx) error {
		if err := tx.Table("users").Create(user(one, "+1")).Error; err != nil {
			return err
		}
		for name, err := range map[string]error{
			"primary key":   tx.Table("users").Create(user(one, "+2")).Error,
			"unique column": tx.Table("users").Create(user(two, "+1")).Error,
			"statement":     tx.Exec("INSERT INTO users (id, phone, role, created_at) SELECT ?, phone, role, created_at FROM users", two).Error,
		} {
			if !errors.Is(err, db.ErrDuplicate) {
				t.Errorf("%s: %v, want ErrDuplicate", name, err)
			}
		}
		return tx.Table("users").Create(user(two, "+2")).Error // the transaction goes on
	})
	var n int64
	if err := d.Read(t.Context()).Table("users").Count(&n).Error; err != nil || n != 2 {
		t.Errorf("%d users, %v, want 2", n, err)
	}
	var nobody struct{ ID uuid.UUID }
	err := d.Read(t.Context()).Table("users").Where("id = ?", uuid.Nil).Take(&nobody).Error
	if !errors.Is(err, db.ErrNotFound) {
		t.Errorf("nobody: %v, want ErrNotFound", err)
	}
}

func TestReadSeesCommitsOnly(t *testing.T) {
	d := withCounters(t, dbtest.Target(t), 1)
	inTx(t, d, func(tx *db.Tx) error {
		if err := add(tx, 1); err != nil {
			return err
		}
		if n := counter(t, d, 1); n != 0 { // nor does it wait for the transaction
			t.Errorf("read %d before the commit", n)
		}
		return nil
	})
	if n := counter(t, d, 1); n != 1 {
		t.Errorf("read %d after the commit", n)
	}
	if err := d.Read(t.Context()).Exec("UPDATE counters SET n = 9").Error; err == nil && !onMySQL() {
		t.Error("the handle for reading wrote")
	}
}

// Writers of two processes, some of which look before they write.
func TestWritersWaitForEachOther(t *testing.T) {
	target := dbtest.Target(t)
	here := withCounters(t, target, 1)
	processes := []*db.DB{here, open(t, target)}
	const writers, rounds = 20, 10
	var all sync.WaitGroup
	for i := range writers {
		d := processes[i%2]
		all.Go(func() {
			for range rounds {
				err := d.Tx(t.Context(), func(tx *db.Tx) error {
					var row struct{ N int }
					if err := tx.Clauses(db.ForUpdate).Table("counters").Where("id = 1").Take(&row).Error; err != nil {
						return err
					}
					_, err := tx.Change("UPDATE counters SET n = ? WHERE id = 1", row.N+1)
					return err
				})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	if n := counter(t, here, 1); n != writers*rounds {
		t.Errorf("the counter stands at %d, want %d", n, writers*rounds)
	}
}
