package main

import (
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/httpapi"
	"github.com/spotpool/spotpool/internal/jobs"
)

// One flow is shown with its stages, what is nested in them, and the errors.
func TestAFlowIsShownByCommand(t *testing.T) {
	at := migrated(t)
	subject, job := uuid.New(), openKind.New(word{"x"})
	dispatch(t, at, true, errors.New("it leaks\nbadly"), func(tx *db.Tx, c *jobs.Client) error {
		_, err := c.Start(tx, jobs.Subject{Kind: "order", ID: subject}, jobs.Chain(jobs.Batch(jobs.Chain(job), job), job).Catch(job))
		return err
	})
	flows := rows[httpapi.QueueFlow](t, queue(t, at, "flows", "--json"))
	if len(flows) != 1 {
		t.Fatalf("%d flows are listed, want the outermost", len(flows))
	}
	id := flows[0].ID.String()
	shown := queue(t, at, "flow", id)
	some := regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)
	moments := regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`)
	got := moments.ReplaceAllString(some.ReplaceAllString(shown, "ID"), "TIME")
	want := `id         ID
flow       ((test:open) | test:open) → test:open, or else test:open
subject    order:ID
nested in  -
state      running
cause      -
began      TIME
ended      -

main 1  running  batch ID: 2 members, 0 done, 2 pending, 0 failed, 0 skipped
  job ID  test:open  ready  attempts failed: 1  due TIME  it leaks
  flow ID  running  test:open
    main 1  running
      job ID  test:open  ready  attempts failed: 1  due TIME  it leaks
main 2  waiting
  job ID  test:open  waiting
catch 1  waiting
  job ID  test:open  waiting
`
	if got != want {
		t.Errorf("shown\n%s\nwant\n%s", got, want)
	}
	if !strings.Contains(shown, "id         "+id) || !strings.Contains(shown, subject.String()) {
		t.Errorf("shown\n%s", shown)
	}

	var whole, nested httpapi.QueueFlow
	if err := json.Unmarshal([]byte(queue(t, at, "flow", "--json", id)), &whole); err != nil || len(whole.Stages) != 3 || len(whole.Stages[0].Flows) != 1 {
		t.Fatalf("shown %+v, %v", whole, err)
	}
	inner := whole.Stages[0].Flows[0].ID.String()
	if err := json.Unmarshal([]byte(queue(t, at, "flow", "--json", inner)), &nested); err != nil || nested.NestedIn == nil || nested.NestedIn.String() != id {
		t.Errorf("shown %+v, %v", nested, err)
	}
	if shown := queue(t, at, "flow", inner); !strings.Contains(shown, "nested in  flow "+id) {
		t.Errorf("shown\n%s", shown)
	}
	refused(t, at, exitFailed, "there is no flow", "flow", uuid.NewString())
	refused(t, at, exitUsage, `"x"`, "flow", "x")
	refused(t, at, exitUsage, "id", "flow")
	refused(t, at, exitUsage, "--state", "flows", "--state", "waiting")
}
