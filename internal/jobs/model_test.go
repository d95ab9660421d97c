package jobs_test

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// The model is what flows are meant to do, written for one job at a time and
// without a database. TestFlowsDoAsTheModelSays runs the same events through both.

// mJob is a job of the model.
type mJob struct {
	n      int // its name in both worlds
	flow   *mFlow
	branch string
	stage  int
	batch  *mBatch
	state  string
	due    time.Time
	delay  time.Duration
	errs   int    // failed attempts
	life   int    // how often it was taken up again
	listed bool   // among the failed jobs
	on     string // of a callback: which
	script []string
	ran    int
	adds   []*mJob // what its "add" adds
}

type mBatch struct {
	flow                     *mFlow
	branch                   string
	stage                    int
	allow                    bool
	jobs                     []*mJob
	flows                    []*mFlow
	pending, failed, skipped int
	caught, finished         bool
	on                       []string       // the callbacks it has
	fired                    map[string]int // how often they started
	progress                 *mJob          // the progress job that has not begun to run
}

type mStage struct {
	jobs  []*mJob // one, unless it is a batch
	batch *mBatch
}

type mFlow struct {
	parent      *mBatch
	main, catch []*mStage
	state       string
	branch      string
	stage       int
	verdict     string
	counted     bool // in the batch that nests it
}

type model struct {
	now  time.Time
	root *mFlow
	jobs map[int]*mJob
	next int
}

const mTries = 2

func (m *model) newJob() *mJob {
	m.next++
	j := &mJob{n: m.next, state: "waiting", branch: "main"}
	m.jobs[j.n] = j
	return j
}

func (j *mJob) begin(now time.Time) { j.state, j.due = "ready", now.Add(j.delay) }

func (m *model) begin(f *mFlow) {
	f.state, f.branch, f.stage = "running", "main", 0
	m.beginStage(f.main[0])
}

func (m *model) beginStage(s *mStage) {
	for _, j := range s.jobs {
		j.begin(m.now)
	}
	if s.batch != nil {
		for _, f := range s.batch.flows {
			m.begin(f)
		}
	}
}

// ended is called when a job has ended.
func (m *model) ended(j *mJob, state string) {
	j.state = state
	if state == "failed" {
		j.listed = true
	}
	if j.on == "" {
		m.memberEnded(j.flow, j.branch, j.stage, j.batch, state)
	}
}

func (m *model) memberEnded(f *mFlow, branch string, stage int, b *mBatch, state string) {
	over, fatal := true, state == "failed"
	if b != nil {
		b.pending--
		if state == "failed" {
			b.failed++
			if b.allow || !b.caught {
				m.fire(b, "catch")
			}
			b.caught = true
		}
		if state == "skipped" {
			b.skipped++
		}
		over = b.pending == 0
		if over && b.failed+b.skipped == 0 {
			m.fire(b, "then")
		}
		if over && !b.finished {
			b.finished = true
			m.fire(b, "finally")
		}
		if b.progress == nil {
			b.progress = m.fire(b, "progress")
		}
		fatal = !b.allow && (fatal || over && b.failed+b.skipped > 0)
	}
	if fatal && branch == "catch" {
		m.skipFrom(f.catch[stage+1:])
	} else if fatal {
		m.stop(f, "failed")
	}
	if over {
		m.stageOver(f, branch, stage)
	}
}

func (m *model) fire(b *mBatch, on string) *mJob {
	if !slices.Contains(b.on, on) {
		return nil
	}
	b.fired[on]++
	m.next++
	j := &mJob{n: -m.next, flow: b.flow, batch: b, on: on}
	j.begin(m.now)
	return j
}

func (m *model) stageOver(f *mFlow, branch string, stage int) {
	if f.branch != branch || f.stage != stage {
		return
	}
	stages, next := f.main, stage+1
	switch f.state {
	case "running":
		f.verdict = "done"
	case "stopping":
		stages, next = f.catch, 0
	case "catching":
		stages = f.catch
	default:
		return
	}
	if next < len(stages) && stages[next].waits() {
		if f.state == "stopping" {
			f.state, f.branch = "catching", "catch"
		}
		f.stage = next
		m.beginStage(stages[next])
		return
	}
	f.state = f.verdict
	if f.parent == nil || f.counted {
		return
	}
	f.counted = true
	result := map[string]string{"done": "done", "failed": "failed", "cancelled": "skipped"}[f.state]
	m.memberEnded(f.parent.flow, f.parent.branch, f.parent.stage, f.parent, result)
}

// waits reports whether a stage was not skipped.
func (s *mStage) waits() bool {
	for _, j := range s.jobs {
		if j.state == "waiting" {
			return true
		}
	}
	return s.batch != nil && slices.ContainsFunc(s.batch.flows, func(f *mFlow) bool { return f.state == "waiting" })
}

func (m *model) stop(f *mFlow, verdict string) bool {
	if f.state != "running" {
		return false
	}
	f.state, f.verdict = "stopping", verdict
	m.skipFrom(f.main[f.stage+1:])
	for _, s := range f.main { // in earlier ones, what was taken up again
		for _, j := range s.jobs {
			if j.state == "ready" && j.due.After(m.now) {
				j.due = m.now
			}
		}
		if s.batch != nil {
			for _, nested := range s.batch.flows {
				m.stop(nested, "cancelled")
			}
		}
	}
	return true
}

func (m *model) skipFrom(stages []*mStage) {
	for _, s := range stages {
		for _, j := range s.jobs {
			j.state = "skipped"
		}
		if b := s.batch; b != nil {
			b.skipped, b.pending = b.skipped+b.pending, 0
			for _, f := range b.flows {
				if f.state == "waiting" {
					f.state = "skipped"
					m.skipFrom(f.main)
					m.skipFrom(f.catch)
				}
			}
		}
	}
}

// rewind has stages wait again as if they had never begun.
func (m *model) rewind(stages []*mStage) {
	for _, s := range stages {
		for _, j := range s.jobs {
			j.state, j.errs, j.listed = "waiting", 0, false
			j.life++
		}
		if b := s.batch; b != nil {
			b.pending, b.failed, b.skipped, b.caught, b.finished = len(b.jobs)+len(b.flows), 0, 0, false, false
			for _, f := range b.flows {
				m.rewindFlow(f)
			}
		}
	}
}

func (m *model) rewindFlow(f *mFlow) {
	f.state, f.branch, f.stage, f.counted = "waiting", "main", 0, false
	m.rewind(f.main)
	m.rewind(f.catch)
}

func (m *model) revive(j *mJob) {
	j.state, j.due, j.errs, j.listed = "ready", m.now, 0, false
	j.life++
}

// retry takes a failed job up again and reports whether its flow allows that.
func (m *model) retry(j *mJob) bool {
	if !m.mayReopen(j.flow, j.branch, j.batch) {
		return false
	}
	m.reopen(j.flow, j.branch, j.stage, j.batch)
	m.revive(j)
	return true
}

func (m *model) mayReopen(f *mFlow, branch string, b *mBatch) bool {
	switch f.state {
	case "running", "done":
		return true
	case "catching":
		return branch == "catch"
	case "failed", "cancelled":
		if f.state == "cancelled" && branch == "main" || b != nil && b.allow {
			return false
		}
		if branch == "main" && f.parent != nil {
			return m.mayReopen(f.parent.flow, f.parent.branch, f.parent)
		}
		return true
	}
	return false
}

func (m *model) reopen(f *mFlow, branch string, stage int, b *mBatch) {
	if b != nil {
		b.pending++
		b.failed--
	}
	stages := f.main
	if branch == "catch" {
		stages = f.catch
	}
	switch f.state {
	case "running", "done":
		return
	case "catching":
		if f.stage == stage {
			m.rewind(stages[stage+1:])
		}
		return
	}
	f.state, f.branch, f.stage = "catching", branch, stage
	if branch == "main" {
		f.state, f.counted = "running", false
		m.rewind(f.catch)
	}
	m.rewind(stages[stage+1:])
	if b != nil {
		m.restartSkipped(b)
	}
	if f.parent != nil && branch == "main" {
		m.reopen(f.parent.flow, f.parent.branch, f.parent.stage, f.parent)
	}
}

func (m *model) restartSkipped(b *mBatch) {
	again := func() { b.pending++; b.skipped-- }
	for _, j := range b.jobs {
		if j.state == "skipped" {
			again()
			m.revive(j)
		}
	}
	for _, f := range b.flows {
		if f.state == "cancelled" || f.state == "skipped" {
			again()
			m.rewindFlow(f)
			m.begin(f)
		}
	}
}

// run makes one attempt of a job and says which outcome it had.
func (m *model) run(j *mJob) {
	if j.branch == "main" && j.flow.state != "running" && j.flow.state != "done" {
		m.ended(j, "skipped")
		return
	}
	outcome := "ok"
	if j.ran < len(j.script) {
		outcome = j.script[j.ran]
	}
	j.ran++
	switch outcome {
	case "err", "panic":
		if j.errs++; j.errs >= mTries {
			m.ended(j, "failed")
			return
		}
		j.due = m.now.Add(time.Second)
	case "fail":
		j.errs++
		m.ended(j, "failed")
	case "release":
		j.due = m.now.Add(time.Second)
	case "add":
		if b := j.batch; b != nil && (j.flow.state == "running" || j.flow.state == "catching") {
			for _, added := range j.adds {
				added.flow, added.branch, added.stage, added.batch = j.flow, j.branch, j.stage, b
				added.begin(m.now)
				b.jobs, b.pending = append(b.jobs, added), b.pending+1
				s := j.flow.main
				if j.branch == "catch" {
					s = j.flow.catch
				}
				s[j.stage].jobs = append(s[j.stage].jobs, added)
			}
			j.adds = nil
		}
		m.ended(j, "done")
	case "cancel":
		m.stop(j.flow, "cancelled")
		m.ended(j, "done")
	case "twin":
		life := j.life
		m.run(j)
		if j.state == "ready" && j.life == life {
			m.ended(j, "done")
		}
	default: // ok, skip
		m.ended(j, "done")
	}
}

// String writes the model down as the database is written down by snapshot.
func (m *model) String() string {
	var lines []string
	var walk func(path string, f *mFlow)
	walk = func(path string, f *mFlow) {
		lines = append(lines, fmt.Sprintf("%s flow %s", path, f.state))
		for _, br := range []struct {
			name   string
			stages []*mStage
		}{{"main", f.main}, {"catch", f.catch}} {
			for i, s := range br.stages {
				at := fmt.Sprintf("%s/%s%d", path, br.name, i)
				for _, j := range s.jobs {
					lines = append(lines, fmt.Sprintf("%s job %d %s errs=%d listed=%v", at, j.n, j.state, j.errs, j.listed))
				}
				if b := s.batch; b != nil {
					lines = append(lines, fmt.Sprintf("%s batch %d-%d-%d of %d", at, b.pending, b.failed, b.skipped, len(b.jobs)+len(b.flows)))
					for _, on := range b.on {
						lines = append(lines, fmt.Sprintf("%s %s ×%d", at, on, b.fired[on]))
					}
					for k, nested := range b.flows {
						walk(fmt.Sprintf("%s.%d", at, k), nested)
					}
				}
			}
		}
	}
	walk("", m.root)
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
