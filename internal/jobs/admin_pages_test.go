package jobs_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
)

// someFailed writes records of that many failed jobs whose rows were pruned
// since, and returns their ids, the oldest first.
func someFailed(t *testing.T, h *jobstest.Harness, n int) (ids []uuid.UUID) {
	t.Helper()
	for range n {
		ids = append(ids, uuid.Must(uuid.NewV7()))
	}
	err := h.DB.Tx(t.Context(), func(tx *db.Tx) error {
		for _, id := range ids {
			_, err := tx.Change(`INSERT INTO failed_jobs (job_id, kind, queue, args, sealed, tags, error, stack, attempts, times, failed_at)
				VALUES (?, 'a', 'q', '{}', ?, '', 'no', '', 1, 1, ?)`, id, false, h.Clock.Now())
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

func count(t *testing.T, h *jobstest.Harness, query string) (n int) {
	t.Helper()
	if err := h.DB.Read(t.Context()).Raw(query).Scan(&n).Error; err != nil {
		t.Fatal(err)
	}
	return n
}

// manyFailed is more than two pages of failed jobs.
const manyFailed = 450

// Who names no limit gets a page at a time, and all of them in the end.
func TestFailedJobsComeInPages(t *testing.T) {
	h := jobstest.NewSync(t)
	want := someFailed(t, h, manyFailed)
	slices.Reverse(want)
	var got []uuid.UUID
	for f := (jobs.FailedFilter{}); ; f.After = got[len(got)-1] {
		page, err := h.System.Admin().Failed(t.Context(), f)
		if err != nil || len(page) > manyFailed/2 {
			t.Fatalf("a page of %d, %v", len(page), err)
		}
		if len(page) == 0 {
			break
		}
		for _, j := range page {
			got = append(got, j.ID)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("%d jobs in other pages than wanted", len(got))
	}
}

// Those that fail while others are taken up, for the first time or again, wait
// for the next retry.
func TestRetryAllTakesUpEachOnce(t *testing.T) {
	h := jobstest.NewSync(t)
	want := someFailed(t, h, manyFailed)
	var queued []uuid.UUID
	h.System.Observe(func(e jobs.Event) {
		if queued = append(queued, e.JobID); len(queued) > manyFailed+10 {
			return // it does not end
		}
		someFailed(t, h, 1)
		err := h.DB.Tx(t.Context(), func(tx *db.Tx) error {
			return tx.Exec("UPDATE failed_jobs SET retried_at = NULL WHERE job_id = ?", e.JobID).Error
		})
		if err != nil {
			t.Error(err)
		}
	})
	retried, refused, err := h.System.Admin().RetryAll(t.Context(), jobs.FailedFilter{})
	if err != nil || retried != manyFailed || refused != 0 || !slices.Equal(queued, want) {
		t.Errorf("retried %d of %d and refused %d, %v", retried, manyFailed, refused, err)
	}
	if n := count(t, h, "SELECT COUNT(*) FROM jobs"); n != manyFailed {
		t.Errorf("%d jobs came back", n)
	}
	retried, refused, err = h.System.Admin().RetryAll(t.Context(), jobs.FailedFilter{Kind: "b"})
	if err != nil || retried+refused != 0 {
		t.Errorf("of another kind, retried %d and refused %d, %v", retried, refused, err)
	}
}

func TestManyFailedJobsAreForgotten(t *testing.T) {
	h := jobstest.NewSync(t)
	admin := h.System.Admin()
	ids := someFailed(t, h, 1200)
	h.Clock.Advance(time.Hour)
	someFailed(t, h, 3)
	if n, err := admin.Forget(t.Context(), ids[:700]...); err != nil || n != 700 {
		t.Errorf("forgot %d, %v", n, err)
	}
	if n, err := admin.Forget(t.Context(), ids[699:701]...); err != nil || n != 1 {
		t.Errorf("forgot %d of two of which one was left, %v", n, err)
	}
	if n, err := admin.Flush(t.Context(), h.Clock.Now()); err != nil || n != 499 {
		t.Errorf("flushed %d, %v", n, err)
	}
	if n := count(t, h, "SELECT COUNT(*) FROM failed_jobs"); n != 3 {
		t.Errorf("%d are left", n)
	}
}
