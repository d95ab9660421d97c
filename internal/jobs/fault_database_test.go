package jobs_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/db/dbtest"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
)

var errDisk = errors.New("the disk is full")

// brokenCommit is a transaction whose commit fails, or seems to.
type brokenCommit struct {
	gorm.ConnPool
	after bool // it succeeds, but the answer is lost
}

func (b *brokenCommit) Commit() error {
	tx := b.ConnPool.(gorm.TxCommitter)
	if b.after {
		return errors.Join(tx.Commit(), errDisk)
	}
	return errors.Join(tx.Rollback(), errDisk)
}

func (b *brokenCommit) Rollback() error { return b.ConnPool.(gorm.TxCommitter).Rollback() }

func breakCommit(tx *db.Tx, after bool) {
	tx.Statement.ConnPool = &brokenCommit{tx.Statement.ConnPool, after}
}

func TestTheCommitOfAnEffectFails(t *testing.T) {
	t.Parallel()
	h := jobstest.New(t)
	e := newEffects(t, h)
	var commits atomic.Int32
	job := handle(h, "a", func(ctx context.Context, a *jobs.Attempt) error {
		return a.Done(ctx, func(tx *db.Tx) error {
			if commits.Add(1) < 3 {
				breakCommit(tx, false)
			}
			return e.record(tx, a)
		})
	})
	h.Work("q")
	v := h.AwaitFlow(h.Start(jobs.Chain(job, e.job("b"))), "done")
	if got, want := outline(v), "main a:done(2); main b:done"; got != want {
		t.Errorf("stages %q, want %q", got, want)
	}
	if got := v.Stages[0].Jobs[0].LastError; !strings.Contains(got, errDisk.Error()) {
		t.Errorf("last error %q: the fault did not happen", got)
	}
	e.check(t, 2)
}

// The commit has happened, but its handler is told that it failed.
func TestTheAnswerToACommitIsLost(t *testing.T) {
	t.Parallel()
	h := jobstest.New(t)
	e := newEffects(t, h)
	said := make(chan error, 1)
	job := handle(h, "a", func(ctx context.Context, a *jobs.Attempt) error {
		err := a.Done(ctx, func(tx *db.Tx) error {
			breakCommit(tx, true)
			return e.record(tx, a)
		})
		said <- err
		return err
	})
	h.Work("q")
	subject := h.Start(jobs.Chain(job, e.job("b")))
	if err := <-said; !errors.Is(err, errDisk) {
		t.Fatalf("the handler was told %v: the fault did not happen", err)
	}
	// What the lost answer would have sent to Redis, the sweep does.
	v := h.AwaitFlow(subject, "done")
	if got, want := outline(v), "main a:done; main b:done"; got != want {
		t.Errorf("stages %q, want %q", got, want)
	}
	e.check(t, 2)
}

// A handler without an effect leaves the recording to the worker. When that
// fails, the attempt does not count.
func TestTheRecordingOfAJobFails(t *testing.T) {
	t.Parallel()
	h := jobstest.New(t)
	var fails atomic.Int32
	newEffects(t, h).tx(t, func(tx *db.Tx) error { // the statements of all transactions go by here
		return tx.Callback().Raw().Before("gorm:raw").Register("test:fail", func(g *gorm.DB) {
			if strings.HasPrefix(g.Statement.SQL.String(), "UPDATE jobs SET ") && fails.Add(1) == 1 {
				_ = g.AddError(errDisk)
			}
		})
	})
	job := handle(h, "a", func(context.Context, *jobs.Attempt) error { return nil })
	h.Work("q")
	v := h.AwaitFlow(h.Start(jobs.Chain(job)), "done")
	if got, want := outline(v), "main a:done"; got != want {
		t.Errorf("stages %q, want %q", got, want)
	}
	if n := h.Events()["a put_off"]; n != 1 {
		t.Errorf("put off %d times, want once", n)
	}
}

// cutter stands before a server and cuts the connection over which something is
// asked for, once it is armed.
type cutter struct {
	word  []byte
	reach bool // the server hears it first
	left  atomic.Int32
	over  chan struct{} // told when the server has answered what was cut
	to    string
	wg    sync.WaitGroup
}

func (c *cutter) listen(t *testing.T) (addr string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close(); c.wg.Wait() })
	c.wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			c.wg.Go(func() { c.serve(conn) })
		}
	})
	return l.Addr().String()
}

func (c *cutter) serve(client net.Conn) {
	defer func() { _ = client.Close() }()
	server, err := net.Dial("tcp", c.to)
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	heard := make(chan struct{}, 1) // the server has answered
	c.wg.Go(func() {
		_, _ = io.Copy(teller{client, heard}, server)
		_ = client.Close()
	})
	buf := make([]byte, 64<<10)
	for {
		n, err := client.Read(buf)
		if err != nil {
			return
		}
		cut := bytes.Contains(buf[:n], c.word) && c.left.Add(-1) >= 0
		if cut && !c.reach {
			return
		}
		if cut {
			_ = client.Close() // it must not hear the answer
			select {
			case <-heard: // of before
			default:
			}
		}
		if _, err := server.Write(buf[:n]); err != nil {
			return
		}
		if cut {
			<-heard
			c.over <- struct{}{}
			return
		}
	}
}

// teller tells that something was written.
type teller struct {
	io.Writer
	told chan struct{}
}

func (w teller) Write(p []byte) (int, error) {
	select {
	case w.told <- struct{}{}:
	default:
	}
	return w.Writer.Write(p)
}

// behindCutter returns a harness on a real server behind a cutter of commits.
func behindCutter(t *testing.T, reach bool) (*jobstest.Harness, *cutter) {
	cfg, err := db.MySQLConfig(dbtest.Target(t))
	if err != nil {
		t.Fatal(err)
	}
	const query = "\x03" // begins a statement; a new connection's says READ COMMITTED
	c := &cutter{word: []byte(query + "COMMIT"), reach: reach, over: make(chan struct{}, 1), to: cfg.Addr}
	cfg.Addr = c.listen(t)
	d, err := db.Open(t.Context(), cfg.FormatDSN())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	if err := d.Migrate(t.Context(), io.Discard); err != nil {
		t.Fatal(err)
	}
	return jobstest.On(t, d, jobstest.Redis(t)), c
}

// TestTheConnectionIsCutAtTheCommit cuts the way to a real server at the commit
// that records a job, before the server hears of it and after.
func TestTheConnectionIsCutAtTheCommit(t *testing.T) {
	if os.Getenv("SPOTPOOL_TEST_MYSQL") == "" {
		t.Skip("needs a server in SPOTPOOL_TEST_MYSQL; the tests above do the same without one")
	}
	for name, reach := range map[string]bool{"before the server hears of it": false, "before its answer": true} {
		t.Run(name, func(t *testing.T) {
			h, c := behindCutter(t, reach)
			e := newEffects(t, h)
			job := handle(h, "a", func(ctx context.Context, a *jobs.Attempt) error {
				return a.Done(ctx, func(tx *db.Tx) error {
					if a.Number == 1 {
						c.left.Store(1) // the next commit is this one
					}
					return e.record(tx, a)
				})
			})
			h.Work("q")
			subject := h.Start(jobs.Chain(job, e.job("b")))
			v := h.AwaitFlow(subject, "done")
			want := "main a:done(1); main b:done"
			if reach {
				want = "main a:done; main b:done"
			}
			if got := outline(v); got != want {
				t.Errorf("stages %q, want %q", got, want)
			}
			if left := c.left.Load(); left >= 1 {
				t.Error("nothing was cut: the fault did not happen")
			}
			e.check(t, 2)
		})
	}
}

// Flows that are started together are on disk although the answer to their commit
// was lost: to try each by itself then would start it twice.
func TestTheAnswerToTheCommitOfStartsIsLost(t *testing.T) {
	if os.Getenv("SPOTPOOL_TEST_MYSQL") == "" {
		t.Skip("needs a server in SPOTPOOL_TEST_MYSQL")
	}
	h, c := behindCutter(t, true)
	chain := jobs.Chain(handle(h, "a", func(context.Context, *jobs.Attempt) error { return nil }))
	flows := make([]jobs.Beginning, 3)
	for i := range flows {
		flows[i] = jobs.Beginning{Subject: jobs.Subject{Kind: "test", ID: uuid.Must(uuid.NewV7())}, Flow: chain}
	}
	c.left.Store(1)
	for i, err := range h.System.StartTogether(flows...) {
		if err == nil {
			t.Fatalf("flow %d: the fault did not happen, or was made up for", i)
		}
	}
	<-c.over
	jobstest.AssertStartedCount(t, h, "a", len(flows))
}
