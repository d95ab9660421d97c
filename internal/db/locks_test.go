package db_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/db/dbtest"
)

// SQLite has one write lock, taken as a transaction begins: these cannot happen there.
func needsRowLocks(t *testing.T) {
	t.Helper()
	if !onMySQL() {
		t.Skip("SQLite has no row locks")
	}
}

// meet waits until both sides have come, or the deadline has.
func meet(t *testing.T, mine, theirs chan struct{}) {
	close(mine)
	select {
	case <-theirs:
	case <-time.After(time.Minute):
		t.Error("the other transaction never came")
	}
}

func TestADeadlockIsTriedAgain(t *testing.T) {
	t.Run("returned", func(t *testing.T) { deadlock(t, func(err error) error { return err }) })
	// The server has rolled back: what comes after must not commit by itself.
	t.Run("swallowed", func(t *testing.T) { deadlock(t, func(error) error { return nil }) })
}

func deadlock(t *testing.T, answer func(error) error) {
	needsRowLocks(t)
	d := withCounters(t, dbtest.Target(t), 1, 2, 3)
	came := [2]chan struct{}{make(chan struct{}), make(chan struct{})}
	var tries atomic.Int32
	var all sync.WaitGroup
	for me := range 2 {
		first, second := 1+me, 2-me
		all.Go(func() {
			fresh := true
			err := d.Tx(t.Context(), func(tx *db.Tx) error {
				tries.Add(1)
				if err := add(tx, first); err != nil {
					return err
				}
				if fresh {
					fresh = false
					meet(t, came[me], came[1-me])
				}
				if err := answer(add(tx, second)); err != nil {
					return err
				}
				return add(tx, 3)
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for id := 1; id <= 3; id++ {
		if n := counter(t, d, id); n != 2 {
			t.Errorf("counter %d stands at %d, want 2", id, n)
		}
	}
	if n := tries.Load(); n < 3 {
		t.Errorf("%d tries: there was no deadlock to survive", n)
	}
}

// A batch is counted after its lock was taken: the count must be the newest
// although the transaction has read before.
func TestAReadUnderALockSeesTheNewest(t *testing.T) {
	needsRowLocks(t)
	d := withCounters(t, dbtest.Target(t), 1, 2)
	inTx(t, d, func(tx *db.Tx) error {
		var before, after int
		if err := tx.Raw("SELECT SUM(n) FROM counters").Scan(&before).Error; err != nil {
			return err
		}
		inTx(t, d, func(other *db.Tx) error { return add(other, 2) })
		if err := add(tx, 1); err != nil {
			return err
		}
		if err := tx.Raw("SELECT SUM(n) FROM counters").Scan(&after).Error; err != nil {
			return err
		}
		if before != 0 || after != 2 {
			t.Errorf("counted %d, then %d, want 0 and 2", before, after)
		}
		return nil
	})
}
