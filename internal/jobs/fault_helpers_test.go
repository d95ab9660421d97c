package jobs_test

import (
	"context"
	"net"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/uuid"
	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
)

// server is a Redis of the test's own that can die and come back at its address.
type server struct {
	conn  asynq.RedisClientOpt
	die   func() // with all it holds
	start func()
}

// onServers runs a test on an embedded Redis and on a real one.
func onServers(t *testing.T, test func(t *testing.T, s *server)) {
	for name, begin := range map[string]func(*testing.T) *server{"embedded": embeddedServer, "redis-server": realServer} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, begin(t))
		})
	}
}

func embeddedServer(t *testing.T) *server {
	m := miniredis.NewMiniRedis()
	if err := m.StartAddr("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return &server{
		conn: asynq.RedisClientOpt{Addr: m.Addr()},
		die:  func() { m.Close(); m.FlushAll() },
		start: func() {
			if err := m.Restart(); err != nil {
				t.Fatal(err)
			}
		},
	}
}

func realServer(t *testing.T) *server {
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("needs the program redis-server")
	}
	port := strconv.Itoa(freePort(t))
	s := &server{conn: asynq.RedisClientOpt{Addr: net.JoinHostPort("127.0.0.1", port)}, die: func() {}}
	s.start = func() {
		child := exec.Command(binary, "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", t.TempDir())
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		s.die = func() {
			_ = child.Process.Kill()
			_ = child.Wait()
			s.die = func() {}
		}
		awaitRedis(t, s.conn)
	}
	t.Cleanup(func() { s.die() })
	s.start()
	return s
}

func freePort(t *testing.T) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

func awaitRedis(t *testing.T, conn asynq.RedisConnOpt) {
	c := conn.MakeRedisClient().(redis.UniversalClient)
	defer func() { _ = c.Close() }()
	deadline := time.After(jobstest.Deadline)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for c.Ping(t.Context()).Err() != nil {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("no answer from Redis within %s", jobstest.Deadline)
		}
	}
}

// between is a hook between a client and its Redis: a function from what asks the
// server to what is asked in its place. A single command comes as a pipeline of one.
type between func(next redis.ProcessPipelineHook) redis.ProcessPipelineHook

func (b between) DialHook(next redis.DialHook) redis.DialHook { return next }

func (b between) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return b(next)
}

func (b between) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	ask := b(func(ctx context.Context, cmds []redis.Cmder) error {
		cmds[0].SetErr(next(ctx, cmds[0]))
		return cmds[0].Err()
	})
	return func(ctx context.Context, cmd redis.Cmder) error {
		if err := ask(ctx, []redis.Cmder{cmd}); err != nil {
			return err
		}
		return cmd.Err()
	}
}

// effects is a table of what jobs did to the database, a row for each time. A
// count in memory would also count what was rolled back.
type effects struct{ *jobstest.Harness }

func newEffects(t *testing.T, h *jobstest.Harness) effects {
	t.Helper()
	e := effects{h}
	e.tx(t, func(tx *db.Tx) error { return tx.Exec("CREATE TABLE effects (job CHAR(36) NOT NULL)").Error })
	return e
}

func (e effects) tx(t *testing.T, fn func(tx *db.Tx) error) {
	t.Helper()
	if err := e.DB.Tx(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

// record writes down that the job had its effect.
func (e effects) record(tx *db.Tx, a *jobs.Attempt) error {
	return tx.Exec("INSERT INTO effects (job) VALUES (?)", a.JobID.String()).Error
}

// job attaches a handler that does nothing but record its effect.
func (e effects) job(name string) jobs.Job {
	return handle(e.Harness, name, func(ctx context.Context, a *jobs.Attempt) error {
		return a.Done(ctx, func(tx *db.Tx) error { return e.record(tx, a) })
	})
}

// check expects the effects of n jobs, each once.
func (e effects) check(t *testing.T, n int) {
	t.Helper()
	var rows []struct {
		Job   uuid.UUID
		Times int
	}
	err := e.DB.Read(t.Context()).Raw("SELECT job, COUNT(*) AS times FROM effects GROUP BY job").Scan(&rows).Error
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != n {
		t.Errorf("%d jobs had their effect, want %d", len(rows), n)
	}
	for _, r := range rows {
		if r.Times != 1 {
			t.Errorf("job %s had its effect %d times", r.Job, r.Times)
		}
	}
}

// task returns what Redis knows of the first delivery of a job.
func task(t *testing.T, h *jobstest.Harness, job uuid.UUID) *asynq.TaskInfo {
	t.Helper()
	info, err := asynq.NewInspectorFromRedisClient(h.System.Redis()).GetTaskInfo("q", job.String()+":0")
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// expireLease has Redis believe that the worker of the job's first delivery is
// long dead, which asynq would otherwise see a minute later.
func expireLease(t *testing.T, h *jobstest.Harness, job uuid.UUID) {
	t.Helper()
	n, err := h.System.Redis().ZAddArgs(t.Context(), "asynq:{q}:lease", redis.ZAddArgs{
		XX: true, Ch: true, Members: []redis.Z{{Score: 1, Member: job.String() + ":0"}},
	}).Result()
	if err != nil || n != 1 {
		t.Fatalf("%d leases made to expire, %v", n, err)
	}
}

// onlyJob returns the id of the first job of the subject's flow.
func onlyJob(h *jobstest.Harness, subject uuid.UUID) uuid.UUID {
	return h.Flow(subject).Stages[0].Jobs[0].ID
}
