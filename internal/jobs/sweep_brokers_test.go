package jobs_test

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/db/dbtest"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
)

// muteServer is a Redis that takes connections and says nothing until it is told
// to speak. Its clients are as patient as the test.
func muteServer(t *testing.T) (conn asynq.RedisClientOpt, speak func()) {
	t.Helper()
	conn = jobstest.Redis(t).(asynq.RedisClientOpt)
	behind := conn.Addr
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	spoken := make(chan struct{})
	speak = sync.OnceFunc(func() { close(spoken) })
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				<-spoken
				forward(c, behind)
			})
		}
	})
	t.Cleanup(func() {
		speak()
		_ = l.Close()
		wg.Wait()
	})
	conn.Addr, conn.ReadTimeout = l.Addr().String(), time.Hour
	return conn, speak
}

// forward joins a connection with a new one to an address, until either ends.
func forward(c net.Conn, addr string) {
	defer func() { _ = c.Close() }()
	to, err := net.Dial("tcp", addr)
	if err != nil {
		return
	}
	defer func() { _ = to.Close() }()
	back := make(chan struct{})
	go func() {
		defer close(back)
		_, _ = io.Copy(c, to)
		_ = c.Close()
	}()
	_, _ = io.Copy(to, c)
	_ = to.Close()
	<-back
}

// A Redis that does not answer delays no sweep of another one, neither the first
// nor those that follow.
func TestAMuteRedisDelaysNoOtherSweep(t *testing.T) {
	mute, speak := muteServer(t)
	others := map[string]asynq.RedisConnOpt{}
	for _, queue := range []string{"a", "b", "z"} { // before and after the other one, in any order
		others[queue] = mute
	}
	h := jobstest.With(t, dbtest.Open(t), jobs.Options{Redis: jobstest.Redis(t), Connections: others})
	job := handle(h, "job", func(context.Context, *jobs.Attempt) error { return nil })
	cfg := jobstest.Config("q", "a", "b", "z")
	lose := func() { // what Redis has forgotten and the database says is due
		t.Helper()
		h.Dispatch(job.In(time.Hour))
		h.Await("it is in Redis", func() bool {
			v, err := h.System.Admin().Queues(t.Context(), "q")
			return err == nil && v[0].Scheduled == 1
		})
		if err := h.System.Redis().FlushDB(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		err := h.DB.Tx(t.Context(), func(tx *db.Tx) error {
			return tx.Exec("UPDATE jobs SET due_at = ? WHERE state = 'ready'", time.Now().UTC().Add(-time.Hour)).Error
		})
		if err != nil {
			t.Fatal(err)
		}
	}

	lose()
	swept := make(chan error, 1)
	go func() {
		_, err := h.System.Worker(h.Registry, cfg).Sweep(context.Background())
		swept <- err
	}()
	pending(t, h, "q", 1)
	select {
	case err := <-swept:
		t.Errorf("the sweep did not wait for the mute one: %v", err)
	default:
	}
	h.WorkWith(cfg)
	t.Cleanup(speak) // before the worker is stopped
	for done := 1; done < 4; done++ {
		h.Await("the job ran", func() bool { return h.Events()["job done"] == done })
		lose()
	}
	speak()
	if err := <-swept; err != nil {
		t.Error(err)
	}
}

// Nor does it hold up what is carried to another one.
func TestAMuteRedisHoldsUpNoOtherDelivery(t *testing.T) {
	mute, speak := muteServer(t)
	h := jobstest.With(t, dbtest.Open(t), jobs.Options{
		Redis: jobstest.Redis(t), Connections: map[string]asynq.RedisConnOpt{"a": mute},
	})
	t.Cleanup(speak) // before the system is closed
	job := handle(h, "job", func(context.Context, *jobs.Attempt) error { return nil })
	h.Work("q")
	for range 10 {
		h.Dispatch(job.On("a"))
	}
	h.Dispatch(job)
	h.Await("the job of the other queue ran", func() bool { return h.Events()["job done"] == 1 })
}
