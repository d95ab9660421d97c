package db_test

import (
	"testing"
	"time"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/db/dbtest"
)

func TestPaceCommitsAndLeavesNothing(t *testing.T) {
	target := dbtest.Target(t)
	rate, err := db.Pace(t.Context(), target, 2, 50*time.Millisecond)
	if err != nil || rate < 20 {
		t.Errorf("%.1f commits a second, %v", rate, err)
	}
	if left, err := open(t, target).Read(t.Context()).Migrator().GetTables(); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
