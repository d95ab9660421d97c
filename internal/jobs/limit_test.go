package jobs_test

import (
	"fmt"
	"sort"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
)

func TestLimiterNeverLetsTooManyThroughAndForgetsNobody(t *testing.T) {
	rdb := jobstest.Redis(t).MakeRedisClient().(redis.UniversalClient)
	defer func() { _ = rdb.Close() }()
	run := 0
	rapid.Check(t, func(t *rapid.T) {
		run++
		clk := clock.NewFake(time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC))
		l := jobs.NewLimiter(rdb, clk)
		windows := []jobs.Window{
			{Key: fmt.Sprintf("short%d", run), Max: rapid.IntRange(1, 3).Draw(t, "max"), Per: time.Second},
			{Key: fmt.Sprintf("long%d", run), Max: rapid.IntRange(2, 5).Draw(t, "longMax"), Per: 10 * time.Second},
		}
		n := rapid.IntRange(1, 15).Draw(t, "members")
		due := map[string]time.Time{} // when each member asks (again)
		for i := range n {
			due[fmt.Sprintf("m%02d", i)] = clk.Now().Add(time.Duration(rapid.IntRange(0, 3000).Draw(t, "arrives")) * time.Millisecond)
		}
		var ran []time.Time
		for asked := 0; len(due) > 0; asked++ {
			if asked > 40*n {
				t.Fatalf("%d members still wait after %d requests", len(due), asked)
			}
			next := earliest(due)
			late := time.Duration(rapid.IntRange(0, 900).Draw(t, "late")) * time.Millisecond
			clk.Advance(max(0, due[next].Sub(clk.Now())) + late)
			wait, err := l.Reserve(t.Context(), next, windows...)
			if err != nil {
				t.Fatal(err)
			}
			if wait > 0 {
				due[next] = clk.Now().Add(wait)
				continue
			}
			ran = append(ran, clk.Now())
			delete(due, next)
		}
		for _, w := range windows {
			for i := w.Max; i < len(ran); i++ {
				if gap := ran[i].Sub(ran[i-w.Max]); gap < w.Per {
					t.Fatalf("runs %d and %d are %s apart; at most %d in %s are allowed", i-w.Max, i, gap, w.Max, w.Per)
				}
			}
		}
	})
}

func earliest(due map[string]time.Time) string {
	names := make([]string, 0, len(due))
	for n := range due {
		names = append(names, n)
	}
	sort.Slice(names, func(i, j int) bool {
		if !due[names[i]].Equal(due[names[j]]) {
			return due[names[i]].Before(due[names[j]])
		}
		return names[i] < names[j]
	})
	return names[0]
}

// Who claims gets room now or none, and leaves no promise; what is given back is free.
func TestAClaimIsNowOrNeverAndCanBeGivenBack(t *testing.T) {
	rdb := jobstest.Redis(t).MakeRedisClient().(redis.UniversalClient)
	defer func() { _ = rdb.Close() }()
	clk := clock.NewFake(time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC))
	l, day := jobs.NewLimiter(rdb, clk), jobs.Window{Key: "day", Max: 2, Per: 24 * time.Hour}
	claim := func(member string, want bool) {
		t.Helper()
		if ok, err := l.Claim(t.Context(), member, day); err != nil || ok != want {
			t.Errorf("%s: %v, %v; want %v", member, ok, err, want)
		}
	}
	claim("a", true)
	clk.Advance(time.Hour)
	claim("b", true)
	claim("c", false)
	if err := l.GiveBack(t.Context(), "b", day); err != nil {
		t.Fatal(err)
	}
	claim("d", true)
	claim("e", false)
	clk.Advance(23 * time.Hour) // the first is a day ago
	claim("f", true)
	claim("g", false)
}
