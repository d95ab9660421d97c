package jobstest

import (
	"reflect"
	"slices"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/jobs"
)

// Recorder takes the place of a jobs.Client in the tests of a feature: it writes
// down what it is asked for and runs nothing. The transactions that it is given
// may be nil. The zero value is ready to use, by several goroutines at once.
type Recorder struct {
	mu    sync.Mutex
	flows []*recorded
	jobs  []jobs.Job
}

// recorded is a flow that was started. It runs until it is cancelled or finished.
type recorded struct {
	jobs.Beginning
	over, undone bool
}

// Start implements what features ask of a jobs.Client.
func (r *Recorder) Start(tx *db.Tx, s jobs.Subject, f jobs.Flow) (uuid.UUID, error) {
	ids, err := r.StartAll(tx, jobs.Beginning{Subject: s, Flow: f})
	if err != nil {
		return uuid.Nil, err
	}
	return ids[0], nil
}

// StartAll writes flows down and returns new ids for them. Like a Client it
// refuses a flow that has nothing to run.
func (r *Recorder) StartAll(_ *db.Tx, flows ...jobs.Beginning) ([]uuid.UUID, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	ids := make([]uuid.UUID, len(flows))
	for i, b := range flows {
		if err := b.Flow.Check(); err != nil {
			return nil, err
		}
		ids[i] = uuid.Must(uuid.NewV7())
	}
	for _, b := range flows {
		r.flows = append(r.flows, &recorded{Beginning: b})
	}
	return ids, nil
}

// Dispatch writes single jobs down, of those with the same unique name the first:
// nothing ends here.
func (r *Recorder) Dispatch(_ *db.Tx, js ...jobs.Job) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, j := range js {
		same := func(old jobs.Job) bool { return old.UniqueName() == j.UniqueName() }
		if j.UniqueName() == "" || !slices.ContainsFunc(r.jobs, same) {
			r.jobs = append(r.jobs, j)
		}
	}
	return nil
}

// Cancel stops the subject's flows that run and reports whether there was one.
func (r *Recorder) Cancel(_ *db.Tx, subject uuid.UUID) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	found := false
	for _, f := range r.flows {
		if f.Subject.ID == subject && !f.over {
			f.over, f.undone, found = true, true, true
		}
	}
	return found, nil
}

// Undo undoes the subject's newest flow that has finished and reports whether
// there was one.
func (r *Recorder) Undo(_ *db.Tx, subject uuid.UUID) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range slices.Backward(r.flows) {
		if f.Subject.ID == subject && f.over && !f.undone {
			f.undone = true
			return true, nil
		}
	}
	return false, nil
}

// Finish has the subject's flows that run count as done from now on.
func (r *Recorder) Finish(subject uuid.UUID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range r.flows {
		f.over = f.over || f.Subject.ID == subject
	}
}

// AssertUndone fails the test unless a flow of the subject was cancelled or undone.
func (r *Recorder) AssertUndone(t testing.TB, subject uuid.UUID) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.ContainsFunc(r.flows, func(f *recorded) bool { return f.Subject.ID == subject && f.undone }) {
		t.Errorf("no flow of %s was cancelled or undone", subject)
	}
}

// AssertStarted fails the test unless a flow that reads so was started.
func (r *Recorder) AssertStarted(t testing.TB, text string) { t.Helper(); AssertStarted(t, r, text) }

// AssertNothingStarted fails the test when a flow or a job was started.
func (r *Recorder) AssertNothingStarted(t testing.TB) { t.Helper(); AssertNothingStarted(t, r) }

// AssertBegun fails the test unless n flows were started that are just so.
func (r *Recorder) AssertBegun(t testing.TB, want jobs.Beginning, n int) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	found := 0
	for _, f := range r.flows {
		if reflect.DeepEqual(f.Beginning, want) {
			found++
		}
	}
	if found != n {
		t.Errorf("%d flows %q of %v, want %d", found, want.Flow, want.Subject, n)
	}
}

func (r *Recorder) started(testing.TB) (all []startedFlow) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range r.flows {
		all = append(all, startedFlow{f.Subject.ID, f.Flow.String()})
	}
	return all
}

func (r *Recorder) dispatched(testing.TB) (all []singleJob) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, j := range r.jobs {
		all = append(all, single(j))
	}
	return all
}
