package jobstest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/jobs"
)

type mail struct {
	To   string `json:"to"`
	Copy bool   `json:"copy"`
}

func kind(name string) jobs.Kind[mail] {
	return jobs.Kind[mail]{Name: name, Queue: "q", Tries: 2, Backoff: jobs.Fixed(time.Minute), Timeout: time.Minute}
}

// probe is a test that may fail without failing the one that it is part of.
type probe struct {
	testing.TB
	said []string
}

func (p *probe) Errorf(format string, args ...any) {
	p.said = append(p.said, fmt.Sprintf(format, args...))
}

// says expects that an assertion fails, or does not.
func says(t *testing.T, fails bool, what string, assert func(testing.TB)) {
	t.Helper()
	p := &probe{TB: t}
	assert(p)
	if (len(p.said) > 0) != fails {
		t.Errorf("%s: fails %v, want %v: %s", what, len(p.said) > 0, fails, strings.Join(p.said, "\n"))
	}
}

// starter is what features ask of a jobs.Client.
type starter interface {
	Start(tx *db.Tx, s jobs.Subject, f jobs.Flow) (uuid.UUID, error)
	StartAll(tx *db.Tx, flows ...jobs.Beginning) ([]uuid.UUID, error)
	Dispatch(tx *db.Tx, js ...jobs.Job) error
	Cancel(tx *db.Tx, subject uuid.UUID) (bool, error)
	Undo(tx *db.Tx, subject uuid.UUID) (bool, error)
}

var (
	_ starter = &Recorder{}
	_ starter = &jobs.Client{}
)

// The same calls must read alike, whether a recorder or a database took them.
func TestAssertionsOnARecorderAndOnADatabase(t *testing.T) {
	var rec Recorder
	h := NewSync(t)
	secret := kind("secret")
	secret.Sealed = true
	subject := uuid.Must(uuid.NewV7())
	flow := jobs.Chain(kind("a").New(mail{}), jobs.Batch(kind("b").New(mail{}), jobs.Chain(kind("c").New(mail{}))))
	bob := mail{To: "bob"}
	calls := func(s starter, tx *db.Tx) {
		for range 2 {
			if _, err := s.Start(tx, jobs.Subject{ID: subject}, flow); err != nil {
				t.Error(err)
			}
		}
		if _, err := s.Start(tx, jobs.Subject{}, jobs.Chain(jobs.Batch(jobs.Chain()))); err == nil {
			t.Error("a flow with nothing to run was started")
		}
		err := s.Dispatch(tx, kind("mail").New(bob), secret.New(bob), kind("mail").New(bob).In(time.Hour).On("slow"))
		if err != nil {
			t.Error(err)
		}
	}
	says(t, false, "nothing yet", func(t testing.TB) { rec.AssertNothingStarted(t) })
	calls(&rec, nil)
	h.tx(func(tx *db.Tx) { calls(h.Client, tx) })
	for name, s := range map[string]Source{"recorder": &rec, "database": h} {
		for _, c := range []struct {
			fails  bool
			what   string
			assert func(testing.TB)
		}{
			{true, "nothing", func(t testing.TB) { AssertNothingStarted(t, s) }},
			{false, "flow", func(t testing.TB) { AssertStarted(t, s, "a → (b | (c))") }},
			{true, "part of a flow", func(t testing.TB) { AssertStarted(t, s, "a") }},
			{true, "nested flow", func(t testing.TB) { AssertStarted(t, s, "c") }},
			{false, "flow of a subject", func(t testing.TB) { AssertStartedFor(t, s, subject, "a → (b | (c))") }},
			{true, "flow of another", func(t testing.TB) { AssertStartedFor(t, s, uuid.Nil, "a → (b | (c))") }},
			{false, "two flows", func(t testing.TB) { AssertStartedCount(t, s, "a → (b | (c))", 2) }},
			{true, "one flow", func(t testing.TB) { AssertStartedCount(t, s, "a → (b | (c))", 1) }},
			{false, "job", func(t testing.TB) { AssertDispatched(t, s, kind("mail").New(bob)) }},
			{false, "sealed job", func(t testing.TB) { AssertDispatched(t, s, secret.New(bob)) }},
			{true, "other arguments", func(t testing.TB) { AssertDispatched(t, s, kind("mail").New(mail{"bob", true})) }},
			{true, "other kind", func(t testing.TB) { AssertDispatched(t, s, kind("post").New(bob)) }},
			{true, "other queue", func(t testing.TB) { AssertDispatched(t, s, kind("mail").New(bob).On("fast")) }},
			{false, "any delay", func(t testing.TB) { AssertDispatched(t, s, kind("mail").New(bob).On("slow")) }},
			{false, "its delay", func(t testing.TB) { AssertDispatched(t, s, kind("mail").New(bob).On("slow").In(time.Hour)) }},
			{true, "other delay", func(t testing.TB) { AssertDispatched(t, s, kind("mail").New(bob).On("slow").In(time.Minute)) }},
			{false, "one of two", func(t testing.TB) { AssertDispatchedCount(t, s, kind("mail").New(bob), 1) }},
			{true, "two of one", func(t testing.TB) { AssertDispatchedCount(t, s, kind("mail").New(bob), 2) }},
			{false, "two of a kind", func(t testing.TB) { AssertKindCount(t, s, "mail", 2) }},
			{true, "jobs of flows do not count", func(t testing.TB) { AssertKindCount(t, s, "a", 2) }},
		} {
			says(t, c.fails, name+", "+c.what, c.assert)
		}
	}
}

func TestRecorderCancelsAndUndoes(t *testing.T) {
	var rec Recorder
	ride, other := uuid.New(), uuid.New()
	answers := func(what string, call func(*db.Tx, uuid.UUID) (bool, error), id uuid.UUID, want bool) {
		t.Helper()
		if got, err := call(nil, id); got != want || err != nil {
			t.Errorf("%s: %v, %v; want %v", what, got, err, want)
		}
	}
	flow := jobs.Chain(kind("a").New(mail{}))
	for _, id := range []uuid.UUID{ride, other} {
		if _, err := rec.Start(nil, jobs.Subject{ID: id}, flow); err != nil {
			t.Fatal(err)
		}
	}
	answers("undo what runs", rec.Undo, ride, false)
	answers("cancel", rec.Cancel, ride, true)
	answers("cancel again", rec.Cancel, ride, false)
	rec.AssertUndone(t, ride)
	says(t, true, "the other was not undone", func(t testing.TB) { rec.AssertUndone(t, other) })
	rec.Finish(other)
	answers("cancel what is done", rec.Cancel, other, false)
	answers("undo", rec.Undo, other, true)
	answers("undo again", rec.Undo, other, false)
	rec.AssertUndone(t, other)
}

func TestRecorderKeepsOneOfAUniqueName(t *testing.T) {
	var rec Recorder
	k := kind("sync")
	k.Unique = func(m mail) string { return m.To }
	if err := rec.Dispatch(nil, k.New(mail{To: "ana"}), k.New(mail{To: "ana"}), k.New(mail{To: "bob"})); err != nil {
		t.Fatal(err)
	}
	AssertKindCount(t, &rec, "sync", 2)
}

func TestRunReturnsWhatTheHandlerSaid(t *testing.T) {
	h := NewSync(t)
	broken := errors.New("broken")
	answers := map[string]error{
		"done": nil, "release": jobs.Release(time.Hour, "not yet"), "fail": jobs.Fail(broken), "skip": jobs.Skip("nothing to do"), "error": broken,
	}
	k := kind("mail")
	jobs.Handle(h.Registry, k, func(_ context.Context, _ *jobs.Attempt, m mail) error { return answers[m.To] })
	for to, want := range answers {
		err := h.Run(k.New(mail{To: to}))
		if (err == nil) != (want == nil) || (want != nil && err.Error() != want.Error()) {
			t.Errorf("%s: %v, want %v", to, err, want)
		}
		after, released := jobs.Released(err)
		if released != (to == "release") || (released && after != time.Hour) {
			t.Errorf("%s: released %v for %s", to, released, after)
		}
		if jobs.IsFail(err) != (to == "fail") || jobs.IsSkip(err) != (to == "skip") {
			t.Errorf("%s: fail %v, skip %v", to, jobs.IsFail(err), jobs.IsSkip(err))
		}
	}
	if err := h.Run(kind("nobody").New(mail{})); err == nil {
		t.Error("a job without a handler was run")
	}
	AssertKindCount(t, h, "nobody", 0)
}

func TestDrainStandsStillUntilTheClockMoves(t *testing.T) {
	h := NewSync(t)
	var ran []time.Duration
	dawn := h.Clock.Now()
	k := kind("mail")
	jobs.Handle(h.Registry, k, func(_ context.Context, a *jobs.Attempt, _ mail) error {
		ran = append(ran, h.Clock.Now().Sub(dawn))
		if a.Number == 1 {
			return errors.New("no line")
		}
		return nil
	})
	h.Dispatch(k.New(mail{}).In(time.Hour))
	for _, step := range []struct {
		wait time.Duration
		runs int
	}{{0, 0}, {time.Hour, 1}, {0, 0}, {59 * time.Second, 0}, {time.Second, 1}, {time.Hour, 0}} {
		h.Clock.Advance(step.wait)
		if n := h.Drain(); n != step.runs {
			t.Errorf("after %s: %d attempts, want %d", step.wait, n, step.runs)
		}
	}
	if fmt.Sprint(ran) != "[1h0m0s 1h1m0s]" {
		t.Errorf("ran at %v", ran)
	}
}

func (h *Harness) tx(fn func(tx *db.Tx)) {
	h.t.Helper()
	if err := h.DB.Tx(h.t.Context(), func(tx *db.Tx) error { fn(tx); return nil }); err != nil {
		h.t.Fatal(err)
	}
}
