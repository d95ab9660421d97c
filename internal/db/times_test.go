package db_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/db/dbtest"
)

// moment is a row of a table of times.
type moment struct {
	ID    int `gorm:"autoIncrement:false"`
	At    time.Time
	Later *time.Time
}

func withMoments(t *testing.T) *db.DB {
	t.Helper()
	d := dbtest.Open(t)
	inTx(t, d, func(tx *db.Tx) error {
		return tx.Exec("CREATE TABLE moments (id INT NOT NULL PRIMARY KEY, at DATETIME /*!(6)*/ NOT NULL, later DATETIME /*!(6)*/ NULL)").Error
	})
	return d
}

func TestTimesComeBackAsTheyWere(t *testing.T) {
	d := withMoments(t)
	east := time.FixedZone("east", 8*60*60)
	day := time.Date(2026, 2, 28, 23, 59, 59, 0, time.UTC)
	for i, at := range []time.Time{
		day, day.Add(time.Microsecond), day.Add(100 * time.Millisecond), day.Add(123456 * time.Microsecond),
		day.Add(999999 * time.Microsecond), day.Add(time.Second), day.In(east), time.Date(1999, 12, 31, 0, 0, 0, 0, east),
	} {
		inTx(t, d, func(tx *db.Tx) error {
			if i%2 == 0 {
				return tx.Create(&moment{i, at, &at}).Error
			}
			_, err := tx.Change("INSERT INTO moments (id, at, later) VALUES (?, ?, ?)", i, at, &at)
			return err
		})
		var got moment
		if err := d.Read(t.Context()).Where("id = ?", i).Take(&got).Error; err != nil {
			t.Fatal(err)
		}
		if got.At != at.UTC() || *got.Later != at.UTC() { // compares the location too
			t.Errorf("%v came back as %v and %v", at, got.At, *got.Later)
		}
		var found int64
		if err := d.Read(t.Context()).Table("moments").Where("id = ? AND at = ?", i, at).Count(&found).Error; err != nil || found != 1 {
			t.Errorf("%v is not equal to itself in the database, %v", at, err)
		}
	}
	inTx(t, d, func(tx *db.Tx) error { return tx.Create(&moment{ID: 100, At: day}).Error })
	var got moment
	if err := d.Read(t.Context()).Where("later IS NULL").Take(&got).Error; err != nil || got.Later != nil || got.ID != 100 {
		t.Errorf("no time came back as %+v, %v", got, err)
	}
}

// The database must order times as Go does, whatever their fractions: SQLite
// keeps them as text.
func TestTimesAreOrdered(t *testing.T) {
	d := withMoments(t)
	base := time.Date(2026, 9, 9, 9, 59, 58, 0, time.UTC)
	steps := rapid.SampledFrom([]time.Duration{
		0, 1, 10, 100, 999, 1000, 100_000, 120_000, 123_456, 500_000, 999_999, 1_000_000, 1_100_000, 2_000_000, 2_000_001,
	})
	rapid.Check(t, func(t *rapid.T) {
		var rows []moment
		for i, step := range rapid.SliceOfN(steps, 1, 12).Draw(t, "microseconds") {
			rows = append(rows, moment{ID: i, At: base.Add(step * time.Microsecond)})
		}
		bound := base.Add(steps.Draw(t, "bound") * time.Microsecond)
		err := d.Tx(t.Context(), func(tx *db.Tx) error {
			if err := tx.Exec("DELETE FROM moments").Error; err != nil {
				return err
			}
			return tx.Create(&rows).Error
		})
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]func(moment) bool{
			"at < ?":  func(m moment) bool { return m.At.Before(bound) },
			"at <= ?": func(m moment) bool { return !m.At.After(bound) },
			"at > ?":  func(m moment) bool { return m.At.After(bound) },
			"at = ?":  func(m moment) bool { return m.At.Equal(bound) },
		}
		slices.SortFunc(rows, func(a, b moment) int {
			if c := a.At.Compare(b.At); c != 0 {
				return c
			}
			return a.ID - b.ID
		})
		for condition, holds := range want {
			var ids []int
			err := d.Read(t.Context()).Table("moments").Where(condition, bound).Order("at, id").Pluck("id", &ids).Error
			if err != nil {
				t.Fatal(err)
			}
			var expect []int
			for _, m := range rows {
				if holds(m) {
					expect = append(expect, m.ID)
				}
			}
			if fmt.Sprint(ids) != fmt.Sprint(expect) {
				t.Fatalf("%s with %s: %v, want %v of %v", condition, bound, ids, expect, rows)
			}
		}
	})
}

// A page by time begins at the zero time.
func TestTheZeroTimeIsBeforeAll(t *testing.T) {
	d := withMoments(t)
	inTx(t, d, func(tx *db.Tx) error {
		return tx.Create(&moment{ID: 1, At: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)}).Error
	})
	var n int64
	if err := d.Read(t.Context()).Table("moments").Where("at > ?", time.Time{}).Count(&n).Error; err != nil || n != 1 {
		t.Errorf("%d rows after the zero time, %v", n, err)
	}
}
