package jobs_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/db/dbtest"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
)

// fast returns a clock that runs 600 times as fast as the wall's, ten minutes a second:
// what waits by the wall's clock by mistake does not come within jobstest.Deadline.
func fast() clock.Clock {
	now := clock.System{}.Now()
	return clock.Fast{Wall: now, App: now.Add(24 * time.Hour), Rate: 600}
}

// hasty returns a harness under that clock.
func hasty(t *testing.T) (*jobstest.Harness, clock.Clock) {
	c := fast()
	return jobstest.With(t, dbtest.Open(t), jobs.Options{Redis: jobstest.Redis(t), Clock: c}), c
}

// times notes when things happened.
type times struct {
	mu  sync.Mutex
	all []time.Time
}

func (l *times) add(t time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, t)
}

func (l *times) get() []time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.all)
}

// apart fails the test unless so many things happened, each at least a span after the one before.
func apart(t *testing.T, what string, all []time.Time, n int, span time.Duration) {
	t.Helper()
	if len(all) != n {
		t.Errorf("%s: %d times, want %d", what, len(all), n)
	}
	for i := 1; i < len(all); i++ {
		if gap := all[i].Sub(all[i-1]); gap < span {
			t.Errorf("%s: number %d came %s after the one before, want at least %s", what, i+1, gap, span)
		}
	}
}

const long = 10 * time.Minute // a second of the wall's

// Delays, releases and backoffs are the application's time, and none is cut short.
func TestAFastClockHastensWhatWaits(t *testing.T) {
	h, c := hasty(t)
	var delays, releases, failures times
	delays.add(c.Now())
	note := func(name string) jobs.Job {
		return handle(h, name, func(context.Context, *jobs.Attempt) error {
			delays.add(c.Now())
			return nil
		}).In(long)
	}
	released := handle(h, "released", func(context.Context, *jobs.Attempt) error {
		releases.add(c.Now())
		if len(releases.get()) < 3 {
			return jobs.Release(long, "not yet")
		}
		return nil
	})
	failing := jobs.Kind[stepArgs]{Name: "failing", Queue: "q", Tries: 3, Backoff: jobs.Fixed(long), Timeout: time.Minute}
	jobs.Handle(h.Registry, failing, func(context.Context, *jobs.Attempt, stepArgs) error {
		failures.add(c.Now())
		return errors.New("no")
	})
	h.Work("q")
	chain := h.Start(jobs.Chain(note("one"), note("two")))
	again := h.Start(jobs.Chain(released))
	over := h.Start(jobs.Chain(failing.New(stepArgs{})))
	h.AwaitFlow(chain, "done")
	h.AwaitFlow(again, "done")
	h.AwaitFlow(over, "failed")
	apart(t, "a delayed job", delays.get(), 3, long)
	apart(t, "a released job", releases.get(), 3, long)
	apart(t, "a failing job", failures.get(), 3, long)
}

// What was to wait and is lost comes when its time has come, by the sweep.
func TestAFastClockHastensWhatRedisLost(t *testing.T) {
	h, c := hasty(t)
	var ran times
	ran.add(c.Now())
	job := handle(h, "job", func(context.Context, *jobs.Attempt) error {
		ran.add(c.Now())
		return nil
	})
	subject := h.Start(jobs.Chain(job.In(long)))
	if err := h.System.Redis().FlushDB(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	h.Work("q")
	h.AwaitFlow(subject, "done")
	apart(t, "a lost job", ran.get(), 2, long)
}

// A job that came a moment ago is not taken for lost, although minutes of the
// application's time have passed: the way to Redis is not shorter than ever.
func TestAFastClockDoesNotHastenTheSweep(t *testing.T) {
	h, c := hasty(t)
	d := &diary{}
	h.Dispatch(d.record(h, "job"))
	if err := h.System.Redis().FlushDB(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	for came := c.Now(); c.Now().Sub(came) < time.Minute; { // a tenth of a second
		if n, err := h.System.Worker(h.Registry, jobstest.Config("q")).Sweep(t.Context()); n != 0 || err != nil {
			t.Fatalf("%d restored after %s, %v", n, c.Now().Sub(came), err)
		}
	}
}

func TestAFastClockHastensTheBreakersPause(t *testing.T) {
	h, c := hasty(t)
	b := jobs.NewBreaker(c, "gateway", 1, long)
	var tried times
	tried.add(c.Now())
	if ran, err := b.Call(t.Context(), func() error { return errors.New("down") }); !ran || err == nil {
		t.Fatalf("ran %v, %v", ran, err)
	}
	k := step("job")
	jobs.Handle(h.Registry, k, func(context.Context, *jobs.Attempt, stepArgs) error {
		tried.add(c.Now())
		return nil
	}, jobs.ThrottleExceptions(b))
	h.Work("q")
	h.AwaitFlow(h.Start(jobs.Chain(k.New(stepArgs{}))), "done")
	apart(t, "a throttled job", tried.get(), 2, long)
}

// Each slot of the application's time is begun once, whoever else works.
func TestAFastClockHastensPeriodicJobs(t *testing.T) {
	h, _ := hasty(t)
	var slots times
	k := jobs.Kind[time.Time]{Name: "tick", Queue: "q", Tries: 1, Backoff: jobs.Fixed(0), Timeout: time.Minute}
	jobs.Handle(h.Registry, k, func(_ context.Context, _ *jobs.Attempt, slot time.Time) error {
		slots.add(slot)
		return nil
	})
	cfg := jobstest.Config("q")
	cfg.Periodic = []jobs.Periodic{{Every: 3 * time.Minute, Job: k.New}}
	for range 3 {
		h.WorkWith(cfg)
	}
	h.Await("slots", func() bool { return len(slots.get()) >= 4 })
	all := slots.get()
	slices.SortFunc(all, time.Time.Compare)
	apart(t, "a slot", all, len(all), 3*time.Minute)
}

// All processes count the runs of a window by the same time.
func TestAFastClockHastensWindowsForAllAlike(t *testing.T) {
	c, conn, d := fast(), jobstest.Redis(t), dbtest.Open(t)
	rdb := conn.MakeRedisClient().(redis.UniversalClient)
	defer func() { _ = rdb.Close() }()
	k := step("job")
	var all []*jobstest.Harness
	for range 2 {
		h := jobstest.With(t, d, jobs.Options{Redis: conn, Clock: c})
		jobs.Handle(h.Registry, k, func(context.Context, *jobs.Attempt, stepArgs) error { return nil }, jobs.RateLimit(jobs.NewLimiter(rdb, c), func(context.Context, stepArgs) ([]jobs.Window, error) {
			return []jobs.Window{{Key: "one", Max: 1, Per: long}}, nil
		}))
		h.Work("q")
		all = append(all, h)
	}
	var ends []uuid.UUID
	for range 2 {
		ends = append(ends, all[0].Start(jobs.Chain(k.New(stepArgs{}))))
	}
	for _, subject := range ends {
		all[0].AwaitFlow(subject, "done")
	}
	runs, err := rdb.ZRangeWithScores(t.Context(), "spotpool:{limit}:one", 0, -1).Result()
	if err != nil {
		t.Fatal(err)
	}
	var ran times
	for _, r := range runs {
		ran.add(time.UnixMicro(int64(r.Score)))
	}
	apart(t, "a limited job", ran.get(), 2, long)
}

// Ids tell the wall's time: what is young by the application's is not taken for old.
func TestAFastClockPrunesByItsOwnTime(t *testing.T) {
	h, c := hasty(t)
	d := &diary{}
	young := h.Start(jobs.Chain(jobs.Batch(d.record(h, "member"))))
	if n, err := h.System.Admin().PruneBatches(t.Context(), c.Now().Add(-time.Hour), c.Now().Add(-12*time.Hour)); n != 0 || err != nil {
		t.Errorf("%d flows deleted that had just begun, %v", n, err)
	}
	h.Flow(young)
	for began := c.Now(); !c.Now().After(began); { // a microsecond
	}
	if n, err := h.System.Admin().PruneBatches(t.Context(), c.Now().Add(-time.Hour), c.Now()); n != 1 || err != nil {
		t.Errorf("%d flows deleted that were old enough, %v", n, err)
	}
}
