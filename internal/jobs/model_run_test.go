package jobs_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/db/dbtest"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
)

type modelArgs struct {
	N  int    `json:"n"`
	On string `json:"on,omitempty"` // of a callback
	B  int    `json:"b,omitempty"`  // its batch: the number of that batch's first member
}

var modelKind = jobs.Kind[modelArgs]{
	Name: "model", Queue: "q", Tries: mTries, Backoff: jobs.Fixed(time.Second), Timeout: time.Minute,
}

// modelRun drives one random flow through the model and the database.
type modelRun struct {
	*rapid.T
	ctx     context.Context
	db      *db.DB
	sys     *jobs.System
	worker  *jobs.Worker
	clock   *clock.Fake
	m       *model
	subject uuid.UUID
	batches map[int]*mBatch
}

var outcomes = []string{"ok", "ok", "ok", "ok", "err", "err", "panic", "fail", "release", "skip", "add", "cancel", "twin"}

func (r *modelRun) job() (*mJob, jobs.Job) {
	j := r.m.newJob()
	j.script = rapid.SliceOfN(rapid.SampledFrom(outcomes), 0, 4).Draw(r.T, "script")
	if rapid.IntRange(0, 9).Draw(r.T, "delayed") == 0 {
		j.delay = 2 * time.Second
	}
	if slices.Contains(j.script, "add") {
		for range rapid.IntRange(1, 2).Draw(r.T, "adds") {
			added := r.m.newJob()
			added.script = rapid.SliceOfN(rapid.SampledFrom([]string{"ok", "err", "fail"}), 0, 2).Draw(r.T, "addedScript")
			j.adds = append(j.adds, added)
		}
	}
	return j, modelKind.New(modelArgs{N: j.n}).In(j.delay)
}

func (r *modelRun) stage(f *mFlow, branch string, n, depth int) (*mStage, jobs.Stage) {
	if rapid.Bool().Draw(r.T, "single") {
		j, job := r.job()
		j.flow, j.branch, j.stage = f, branch, n
		return &mStage{jobs: []*mJob{j}}, job
	}
	b := &mBatch{flow: f, branch: branch, stage: n, allow: rapid.Bool().Draw(r.T, "allow"), fired: map[string]int{}}
	s := &mStage{batch: b}
	var members []jobs.Member
	label := 0
	for range rapid.IntRange(1, 3).Draw(r.T, "members") {
		if depth > 0 && rapid.IntRange(0, 2).Draw(r.T, "nested") == 0 {
			nested, flow := r.flow(depth - 1)
			nested.parent = b
			b.flows = append(b.flows, nested)
			members = append(members, flow)
			continue
		}
		j, job := r.job()
		j.flow, j.branch, j.stage, j.batch = f, branch, n, b
		b.jobs, s.jobs = append(b.jobs, j), append(s.jobs, j)
		members = append(members, job)
	}
	r.m.next++
	label = r.m.next
	r.batches[label] = b
	b.pending = len(members)
	batch := jobs.Batch(members...)
	if b.allow {
		batch = batch.AllowFailures()
	}
	for on, with := range map[string]func(jobs.BatchOfJobs, jobs.Job) jobs.BatchOfJobs{
		"then": jobs.BatchOfJobs.Then, "catch": jobs.BatchOfJobs.Catch, "finally": jobs.BatchOfJobs.Finally, "progress": jobs.BatchOfJobs.Progress,
	} {
		b.on = append(b.on, on)
		batch = with(batch, modelKind.New(modelArgs{On: on, B: label}))
	}
	return s, batch
}

func (r *modelRun) flow(depth int) (*mFlow, jobs.Flow) {
	f := &mFlow{state: "waiting", branch: "main"}
	var main, catch []jobs.Stage
	for n := range rapid.IntRange(1, 3).Draw(r.T, "stages") {
		s, stage := r.stage(f, "main", n, depth)
		f.main, main = append(f.main, s), append(main, stage)
	}
	for n := range rapid.IntRange(0, 2).Draw(r.T, "catchStages") {
		s, stage := r.stage(f, "catch", n, depth)
		f.catch, catch = append(f.catch, s), append(catch, stage)
	}
	return f, jobs.Chain(main...).Catch(catch...)
}

// handle does what a job's script says.
func (r *modelRun) handle(ctx context.Context, a *jobs.Attempt, args modelArgs) error {
	if args.On != "" {
		if args.On == "progress" {
			r.batches[args.B].progress = nil // another may be asked for from now on
		}
		return nil
	}
	j := r.m.jobs[args.N]
	outcome := "ok"
	if j.ran < len(j.script) {
		outcome = j.script[j.ran]
	}
	adds := j.adds
	switch outcome {
	case "twin":
		j.ran++ // the model has not run it yet; it starts from the same place
		err := r.worker.RunDelivery(ctx, a.JobID, r.generation(a.JobID))
		j.ran--
		if err != nil {
			return err
		}
	case "err":
		return errors.New("not today")
	case "panic":
		panic("ouch")
	case "fail":
		return jobs.Fail(errors.New("never"))
	case "release":
		return jobs.Release(time.Second, "later")
	case "skip":
		return jobs.Skip("no need")
	case "cancel":
		return a.Done(ctx, func(tx *db.Tx) error {
			_, err := a.CancelFlow(tx)
			return err
		})
	case "add":
		if j.batch == nil {
			return nil
		}
		return a.Done(ctx, func(tx *db.Tx) error {
			members := make([]jobs.Member, len(adds))
			for i, added := range adds {
				members[i] = modelKind.New(modelArgs{N: added.n})
			}
			_, err := a.Add(tx, members...)
			return err
		})
	}
	return nil
}

func (r *modelRun) generation(id uuid.UUID) (n int) {
	if err := r.db.Read(r.ctx).Raw("SELECT generation FROM jobs WHERE id = ?", id).Scan(&n).Error; err != nil {
		r.Fatal(err)
	}
	return n
}

type modelRow struct {
	ID         uuid.UUID
	Generation int
	Args       string
	State      string
	Attempts   int
	DueAt      *time.Time
}

func (r *modelRun) rows() (rows []modelRow, args []modelArgs) {
	if err := r.db.Read(r.ctx).Raw("SELECT id, generation, args, state, attempts, due_at FROM jobs ORDER BY id").Scan(&rows).Error; err != nil {
		r.Fatal(err)
	}
	args = make([]modelArgs, len(rows))
	for i, row := range rows {
		if err := json.Unmarshal([]byte(row.Args), &args[i]); err != nil {
			r.Fatal(err)
		}
	}
	return rows, args
}

// runOne runs one of the jobs that are due, if there is any.
func (r *modelRun) runOne() bool {
	rows, args := r.rows()
	var due []int
	for i, row := range rows {
		if row.State == "ready" && !row.DueAt.After(r.clock.Now()) {
			due = append(due, i)
		}
	}
	if len(due) == 0 {
		return false
	}
	i := rapid.SampledFrom(due).Draw(r.T, "job")
	if err := r.worker.RunDelivery(r.ctx, rows[i].ID, rows[i].Generation); err != nil {
		r.Fatal(err)
	}
	if args[i].On == "" {
		r.m.run(r.m.jobs[args[i].N])
	}
	// The same delivery once more: nothing may come of it, unless the job waits.
	if now, _ := r.rows(); now[i].State != "ready" && rapid.Bool().Draw(r.T, "again") {
		if err := r.worker.RunDelivery(r.ctx, rows[i].ID, rows[i].Generation); err != nil {
			r.Fatal(err)
		}
	}
	return true
}

func (r *modelRun) cancel() {
	want := r.m.stop(r.m.root, "cancelled")
	err := r.db.Tx(r.ctx, func(tx *db.Tx) error {
		found, err := r.sys.Client().Cancel(tx, r.subject)
		if found != want {
			r.Fatalf("cancel found a flow: %v, want %v", found, want)
		}
		return err
	})
	if err != nil {
		r.Fatal(err)
	}
}

func (r *modelRun) retry() {
	rows, args := r.rows()
	var listed []int
	for i := range rows {
		if args[i].On == "" && r.m.jobs[args[i].N].listed {
			listed = append(listed, i)
		}
	}
	if len(listed) == 0 {
		return
	}
	i := rapid.SampledFrom(listed).Draw(r.T, "retried")
	want := r.m.retry(r.m.jobs[args[i].N])
	err := r.sys.Admin().Retry(r.ctx, rows[i].ID)
	if got := err == nil; got != want || err != nil && !errors.Is(err, jobs.ErrFlowBusy) && !errors.Is(err, jobs.ErrFlowOver) {
		r.Fatalf("retry of job %d: %v, want it taken up: %v", args[i].N, err, want)
	}
}

// snapshot writes the database down as model.String does the model.
func (r *modelRun) snapshot() string {
	rows, args := r.rows()
	at := map[uuid.UUID]int{}
	fired := map[string]int{}
	for i, row := range rows {
		at[row.ID] = i
		if args[i].On != "" {
			fired[fmt.Sprintf("%d %s", args[i].B, args[i].On)]++
		}
	}
	failed, err := r.sys.Admin().Failed(r.ctx, jobs.FailedFilter{})
	if err != nil {
		r.Fatal(err)
	}
	listed := map[uuid.UUID]bool{}
	for _, f := range failed {
		listed[f.ID] = true
	}
	labels := map[*mBatch]int{}
	for label, b := range r.batches {
		labels[b] = label
	}
	var lines []string
	var walk func(path string, v jobs.FlowView, f *mFlow)
	walk = func(path string, v jobs.FlowView, f *mFlow) {
		lines = append(lines, fmt.Sprintf("%s flow %s", path, v.State))
		seen := map[string]int{}
		for _, s := range v.Stages {
			if s.Branch == "callback" {
				continue
			}
			n := seen[s.Branch]
			seen[s.Branch]++
			here := fmt.Sprintf("%s/%s%d", path, s.Branch, n)
			for _, j := range s.Jobs {
				i := at[j.ID]
				lines = append(lines, fmt.Sprintf("%s job %d %s errs=%d listed=%v", here, args[i].N, j.State, j.Attempts, listed[j.ID]))
			}
			if s.Batch == nil {
				continue
			}
			stages := f.main
			if s.Branch == "catch" {
				stages = f.catch
			}
			b := stages[n].batch
			lines = append(lines, fmt.Sprintf("%s batch %d-%d-%d of %d", here, s.Batch.Pending, s.Batch.Failed, s.Batch.Skipped, s.Batch.Total))
			for _, on := range b.on {
				lines = append(lines, fmt.Sprintf("%s %s ×%d", here, on, fired[fmt.Sprintf("%d %s", labels[b], on)]))
			}
			for k, nested := range s.Flows {
				walk(fmt.Sprintf("%s.%d", here, k), nested, b.flows[k])
			}
		}
	}
	v, ok, err := r.sys.Client().FlowOf(r.ctx, r.subject)
	if err != nil || !ok {
		r.Fatal(ok, err)
	}
	walk("", v, r.m.root)
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func (r *modelRun) compare(after string) {
	if got, want := r.snapshot(), r.m.String(); got != want {
		r.Fatalf("after %s the database says\n%s\n\nand the model\n%s", after, got, want)
	}
}

func (r *modelRun) advance(d time.Duration) {
	r.clock.Advance(d)
	r.m.now = r.clock.Now()
}

func TestFlowsDoAsTheModelSays(t *testing.T) {
	d, conn := dbtest.Open(t), jobstest.Redis(t)
	clk := clock.NewFake(time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC))
	sys := jobs.New(jobs.Options{DB: d, Redis: conn, Clock: clk, Box: jobstest.Box(t), Retention: time.Hour, Log: slog.New(slog.DiscardHandler)})
	t.Cleanup(func() { _ = sys.Close() })
	rapid.Check(t, func(rt *rapid.T) {
		for _, table := range []string{"jobs", "flows", "job_batches", "failed_jobs"} {
			if err := d.Tx(t.Context(), func(tx *db.Tx) error { return tx.Exec("DELETE FROM " + table).Error }); err != nil {
				rt.Fatal(err)
			}
		}
		r := &modelRun{
			T: rt, ctx: t.Context(), db: d, sys: sys, clock: clk, subject: uuid.New(),
			m: &model{now: clk.Now(), jobs: map[int]*mJob{}}, batches: map[int]*mBatch{},
		}
		registry := jobs.NewRegistry()
		jobs.Handle(registry, modelKind, r.handle)
		r.worker = sys.Worker(registry, jobstest.Config("q"))
		root, flow := r.flow(2)
		r.m.root = root
		err := d.Tx(r.ctx, func(tx *db.Tx) error {
			_, err := sys.Client().Start(tx, jobs.Subject{Kind: "test", ID: r.subject}, flow)
			return err
		})
		if err != nil {
			rt.Fatal(err)
		}
		r.m.begin(root)
		r.compare("the start of " + flow.String())
		for range rapid.IntRange(0, 25).Draw(rt, "events") {
			what := rapid.SampledFrom([]string{"run", "run", "run", "run", "run", "run", "wait", "retry", "cancel"}).Draw(rt, "event")
			switch what {
			case "run":
				r.runOne()
			case "wait":
				r.advance(time.Second)
			case "retry":
				r.retry()
			case "cancel":
				r.cancel()
			}
			r.compare(what)
		}
		for idle := 0; idle < 3; { // the longest delay is two seconds
			if r.runOne() {
				idle = 0
				r.compare("a run at the end")
				continue
			}
			idle++
			r.advance(time.Second)
		}
		if s := root.state; s != "done" && s != "failed" && s != "cancelled" {
			rt.Fatalf("the flow ends as %s", s)
		}
		for _, rule := range []func(context.Context) ([]string, error){sys.Client().StuckFlows, sys.Client().BatchCounts} {
			if lines, err := rule(r.ctx); len(lines) > 0 || err != nil {
				rt.Fatalf("audit: %v, %v", lines, err)
			}
		}
	})
}
