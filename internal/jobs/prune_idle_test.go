package jobs_test

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
)

// pruned deletes what is over, by one of two ways, and returns how many jobs are left.
func pruned(t *testing.T, h *jobstest.Harness, batches bool, keep time.Duration) int {
	t.Helper()
	if batches {
		if _, err := h.System.Admin().PruneBatches(t.Context(), h.Clock.Now().Add(-keep), time.Time{}); err != nil {
			t.Fatal(err)
		}
	} else if err := h.System.Prune(t.Context(), h.Clock.Now().Add(-keep)); err != nil {
		t.Fatal(err)
	}
	return count(t, h, "SELECT COUNT(*) FROM jobs")
}

// A flow that has ended is kept while a job is still to run, also in a flow that
// is nested in it, such as one that was taken up again.
func TestAFlowWithAJobTakenUpAgainIsNotPruned(t *testing.T) {
	for name, batches := range map[string]bool{"by the periodic job": false, "by hand": true} {
		t.Run(name, func(t *testing.T) {
			h := jobstest.NewSync(t)
			says := jobs.Fail(errors.New("no"))
			bad := handle(h, "bad", func(context.Context, *jobs.Attempt) error { return says })
			ok := handle(h, "ok", func(context.Context, *jobs.Attempt) error { return nil })
			inner := jobs.Chain(jobs.Batch(jobs.Chain(bad), ok).AllowFailures())
			subject := h.Start(jobs.Chain(jobs.Batch(inner, ok).AllowFailures()))
			h.Start(jobs.Chain(jobs.Batch(jobs.Chain(ok), ok)))
			h.Drain()
			h.Clock.Advance(time.Hour)
			if v := h.Flow(subject); v.State != "done" {
				t.Fatalf("the flow is %s", v.State)
			}
			admin := h.System.Admin()
			failed, err := admin.Failed(t.Context(), jobs.FailedFilter{})
			if err != nil || len(failed) != 1 {
				t.Fatal(failed, err)
			}
			says = jobs.Release(30*time.Minute, "not yet")
			if err := admin.Retry(t.Context(), failed[0].ID); err != nil {
				t.Fatal(err)
			}
			h.Drain()
			if left := pruned(t, h, batches, time.Minute); left != 3 {
				t.Errorf("%d jobs are left of the flow, want all three", left)
			}
			says = nil
			h.Clock.Advance(time.Hour)
			h.Drain()
			if got := h.Events()["bad done"]; got != 1 {
				t.Errorf("the job that was taken up again ended well %d times", got)
			}
			if left := pruned(t, h, batches, time.Minute); left != 0 {
				t.Errorf("%d jobs are left", left)
			}
		})
	}
}

// Flows that are spared do not hide those behind them.
func TestPruningGoesOnBehindWhatItSpares(t *testing.T) {
	h := jobstest.NewSync(t)
	ok := handle(h, "ok", func(context.Context, *jobs.Attempt) error { return nil })
	waits := handle(h, "waits", func(context.Context, *jobs.Attempt) error { return jobs.Release(24*time.Hour, "not yet") })
	const spared, over = 210, 5 // more than a page
	start := func(n int, f jobs.Flow) {
		var all []jobs.Beginning
		for range n {
			all = append(all, jobs.Beginning{Subject: jobs.Subject{Kind: "test", ID: uuid.New()}, Flow: f})
		}
		if err := h.DB.Tx(t.Context(), func(tx *db.Tx) error { _, err := h.Client.StartAll(tx, all...); return err }); err != nil {
			t.Fatal(err)
		}
	}
	start(spared, jobs.Chain(jobs.Batch(ok).Finally(waits)))
	start(over, jobs.Chain(jobs.Batch(ok)))
	h.Drain()
	h.Clock.Advance(time.Hour)
	if n, err := h.System.Admin().PruneBatches(t.Context(), h.Clock.Now(), time.Time{}); err != nil || n != over {
		t.Errorf("deleted %d flows, %v; want %d", n, err, over)
	}
	if n := count(t, h, "SELECT COUNT(*) FROM flows"); n != spared {
		t.Errorf("%d flows are left, want %d", n, spared)
	}
}

// A job that is taken up again in the moment in which its flow is pruned is not lost.
func TestPruningWaitsForARetry(t *testing.T) {
	if os.Getenv("SPOTPOOL_TEST_MYSQL") == "" {
		t.Skip("needs a server in SPOTPOOL_TEST_MYSQL: in SQLite one waits for the other anyway")
	}
	for name, flow := range map[string]func(bad, ok jobs.Job) jobs.Flow{
		"of a callback": func(bad, ok jobs.Job) jobs.Flow { return jobs.Chain(jobs.Batch(ok).Finally(bad)) },
		"in a nested one": func(bad, ok jobs.Job) jobs.Flow {
			return jobs.Chain(jobs.Batch(jobs.Chain(jobs.Batch(bad, ok).AllowFailures())))
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := jobstest.NewSync(t)
			bad := handle(h, "bad", func(context.Context, *jobs.Attempt) error { return jobs.Fail(errors.New("no")) })
			ok := handle(h, "ok", func(context.Context, *jobs.Attempt) error { return nil })
			h.Start(flow(bad, ok))
			h.Drain()
			h.Clock.Advance(time.Hour)
			failed, err := h.System.Admin().Failed(t.Context(), jobs.FailedFilter{})
			if err != nil || len(failed) != 1 {
				t.Fatal(failed, err)
			}
			ended := make(chan error, 1)
			err = h.DB.Tx(t.Context(), func(tx *db.Tx) error {
				if err := h.System.Admin().RetryIn(tx, failed[0].ID); err != nil {
					return err
				}
				go func() { ended <- h.System.Prune(context.Background(), h.Clock.Now().Add(-time.Minute)) }()
				h.Await("pruning waits for the retry", func() bool {
					return count(t, h, "SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'") > 0
				})
				return nil
			})
			if err := errors.Join(err, <-ended); err != nil {
				t.Fatal(err)
			}
			if n := count(t, h, "SELECT COUNT(*) FROM jobs WHERE state = 'ready'"); n != 1 {
				t.Errorf("%d jobs are to run, want the one that was taken up again", n)
			}
		})
	}
}
