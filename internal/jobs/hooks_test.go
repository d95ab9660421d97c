package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
)

func TestAHookOfAnUnknownKindIsRefused(t *testing.T) {
	defer func() {
		if says := fmt.Sprint(recover()); !strings.Contains(says, `"pay:void"`) || !strings.Contains(says, "no handler") {
			t.Errorf("refused with %q", says)
		}
	}()
	jobs.OnFailed(jobs.NewRegistry(), step("pay:void"), func(*db.Tx, jobs.Failure, stepArgs) error { return nil })
}

// The hook of a kind is told the arguments, also of a job that was not tried and
// of one whose arguments are sealed.
func TestAHookGetsTheArguments(t *testing.T) {
	h := jobstest.NewSync(t)
	var told []string
	watched := func(name string, sealed bool) jobs.Kind[stepArgs] {
		k := step(name)
		k.Sealed = sealed
		jobs.Handle(h.Registry, k, func(context.Context, *jobs.Attempt, stepArgs) error { return jobs.Fail(errors.New("no")) })
		jobs.OnFailed(h.Registry, k, func(_ *db.Tx, f jobs.Failure, args stepArgs) error {
			told = append(told, fmt.Sprintf("%s of %s: %v", f.Kind, args.Name, f.Err))
			return nil
		})
		return k
	}
	open, sealed := watched("open", false), watched("sealed", true)
	h.Dispatch(open.New(stepArgs{"ana"}))
	h.Drain()
	h.Dispatch(sealed.New(stepArgs{"bo"}))
	h.Drain()
	h.Dispatch(sealed.New(stepArgs{"cy"}).Until(h.Clock.Now().Add(-time.Second)))
	h.Drain()
	want := "open of ana: no; sealed of bo: no; sealed of cy: " + jobs.ErrDeadline.Error()
	if got := strings.Join(told, "; "); got != want {
		t.Errorf("told %q, want %q", got, want)
	}

	told = nil
	for _, k := range []jobs.Kind[stepArgs]{open, sealed} {
		h.Dispatch(k.New(stepArgs{"di"}))
	}
	if err := h.DB.Tx(t.Context(), func(tx *db.Tx) error { return tx.Exec("UPDATE jobs SET args = 'x' WHERE state = 'ready'").Error }); err != nil {
		t.Fatal(err)
	}
	h.Drain()
	if n := count(t, h, "SELECT COUNT(*) FROM failed_jobs"); n != 5 || told != nil {
		t.Errorf("%d jobs failed; of what cannot be read the hooks were told %q", n, told)
	}
}
