package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/db/dbtest"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
)

// A kind states how its jobs are run, a handler runs them, and New makes one.
func Example_dispatch() {
	q, end := jobstest.Demo()
	defer end()

	greet := jobs.Kind[string]{
		Name: "greet", Queue: "default", Tries: 3, Backoff: jobs.Fixed(10 * time.Second), Timeout: time.Minute,
	}
	jobs.Handle(q.Registry, greet, func(_ context.Context, _ *jobs.Attempt, name string) error {
		fmt.Println("hello", name)
		return nil
	})
	q.Dispatch(greet.New("Ana"), greet.New("Bo"))
	q.Drain()
	// Output:
	// hello Ana
	// hello Bo
}

// A job is written in the transaction that asks for it: it is there exactly when
// the change is.
func Example_dispatchAfterCommit() {
	q, end := jobstest.Demo()
	defer end()

	order := func(name string, trouble error) {
		_ = q.DB.Tx(context.Background(), func(tx *db.Tx) error {
			if err := q.Client.Dispatch(tx, says(q, "confirm "+name)); err != nil {
				return err
			}
			return trouble
		})
	}
	order("tea", errors.New("the card was declined"))
	order("cake", nil)
	q.Drain()
	// Output:
	// confirm cake
}

func Example_delay() {
	q, end := jobstest.Demo()
	defer end()

	q.Dispatch(says(q, "remind").In(10 * time.Minute))
	fmt.Println("at once:", q.Drain(), "attempts")
	q.Clock.Advance(10 * time.Minute)
	fmt.Println("ten minutes later:", q.Drain(), "attempt")
	// Output:
	// at once: 0 attempts
	// remind
	// ten minutes later: 1 attempt
}

// A job waits in its kind's queue, or in the one that it is put into. A worker
// takes jobs from the queues that it names.
func Example_customQueue() {
	q, end := jobstest.Demo()
	defer end()

	q.Dispatch(says(q, "tidy up"), says(q, "put out the fire").On("urgent"))
	for _, queue := range []string{"urgent", "default"} {
		fmt.Println(queue + ":")
		w := q.System.Worker(q.Registry, jobs.WorkerConfig{Queues: map[string]int{queue: 1}})
		_, _ = w.Drain(context.Background())
	}
	// Output:
	// urgent:
	// put out the fire
	// default:
	// tidy up
}

// A queue may live on a Redis of its own, so that a flood in it cannot starve the
// others. Clients and workers go to the right one by the queue's name.
func TestCustomConnection(t *testing.T) {
	home, own := jobstest.Redis(t), jobstest.Redis(t)
	h := jobstest.With(t, dbtest.Open(t), jobs.Options{
		Redis: home, Connections: map[string]asynq.RedisConnOpt{"flood": own},
	})
	d := &diary{}
	job := d.record(h, "job")
	h.Dispatch(job, job.On("flood"), job.On("flood"))

	length := func(conn asynq.RedisConnOpt, queue string) int64 {
		c := conn.MakeRedisClient().(redis.UniversalClient)
		defer func() { _ = c.Close() }()
		return c.LLen(t.Context(), "asynq:{"+queue+"}:pending").Val()
	}
	h.Await("one job at home and two on the other Redis", func() bool {
		return length(home, "q") == 1 && length(own, "flood") == 2
	})
	if n := length(home, "flood") + length(own, "q"); n != 0 {
		t.Errorf("%d jobs are on the wrong Redis", n)
	}
	h.Work("q", "flood")
	h.Await("all have run", func() bool { return h.Events()["job done"] == 3 })
}

// RunSync makes a job's first attempt at once, in the caller's goroutine, and
// returns what the handler said. What is to be tried again is an ordinary job.
func Example_syncDispatch() {
	q, end := jobstest.Demo()
	defer end()

	call := does(q, "call the taxi", func(_ context.Context, a *jobs.Attempt) error {
		if a.Number == 1 {
			return errors.New("the line is busy")
		}
		return nil
	})
	w := q.System.Worker(q.Registry, jobs.WorkerConfig{})
	fmt.Println(w.RunSync(context.Background(), call))
	q.Clock.Advance(10 * time.Second)
	q.Drain()
	// Output:
	// call the taxi
	// the line is busy
	// call the taxi
}

// While a unique job is unfinished, another of the same name is dropped.
func Example_unique() {
	q, end := jobstest.Demo()
	defer end()

	report := kind[string]("report")
	report.Unique = func(month string) string { return month }
	jobs.Handle(q.Registry, report, func(_ context.Context, _ *jobs.Attempt, month string) error {
		q.Dispatch(report.New(month)) // still the same one
		fmt.Println("report of", month)
		return nil
	})
	q.Dispatch(report.New("May"), report.New("May"), report.New("June"))
	fmt.Println(q.Drain(), "attempts")
	q.Dispatch(report.New("May"))
	fmt.Println(q.Drain(), "attempt")
	// Output:
	// report of May
	// report of June
	// 2 attempts
	// report of May
	// 1 attempt
}

// With UntilStart a job is unique until it starts: what changes while it runs
// asks for another run.
func Example_uniqueUntilProcessing() {
	q, end := jobstest.Demo()
	defer end()

	index := kind[string]("index")
	index.Unique = func(page string) string { return page }
	index.UntilStart = true
	edits := 2
	jobs.Handle(q.Registry, index, func(_ context.Context, _ *jobs.Attempt, page string) error {
		fmt.Println("index", page)
		if edits--; edits > 0 {
			q.Dispatch(index.New(page))
		}
		return nil
	})
	q.Dispatch(index.New("home"), index.New("home"))
	q.Drain()
	// Output:
	// index home
	// index home
}

// The arguments of a sealed kind are encrypted in the database, and never in Redis.
func Example_encryptedArguments() {
	q, end := jobstest.Demo()
	defer end()

	text := kind[string]("text")
	text.Sealed = true
	jobs.Handle(q.Registry, text, func(_ context.Context, _ *jobs.Attempt, code string) error {
		fmt.Println("your code is", code)
		return nil
	})
	q.Dispatch(text.New("471100"))
	var stored string
	q.DB.Read(context.Background()).Raw("SELECT args FROM jobs").Scan(&stored)
	fmt.Println("stored in the clear:", strings.Contains(stored, "471100"))
	q.Drain()
	// Output:
	// stored in the clear: false
	// your code is 471100
}

// A job's arguments are ids; its handler reads the newest row by primary key. A
// row that is gone does not come back: the job fails at once, or ends as done
// when its kind says so.
func Example_modelsByPrimaryKey() {
	q, end := jobstest.Demo()
	defer end()
	ctx := context.Background()
	change := func(sql string) {
		_ = q.DB.Tx(ctx, func(tx *db.Tx) error { return tx.Exec(sql).Error })
	}
	change("CREATE TABLE riders (id INT NOT NULL PRIMARY KEY, name VARCHAR(20) NOT NULL)")
	change("INSERT INTO riders VALUES (1, 'Anna')")

	greet := func(ctx context.Context, _ *jobs.Attempt, id int) error {
		var r struct{ Name string }
		if err := q.DB.Read(ctx).Table("riders").Where("id = ?", id).Take(&r).Error; err != nil {
			return err // db.ErrNotFound
		}
		fmt.Println("hello", r.Name)
		return nil
	}
	strict, lenient := kind[int]("greet"), kind[int]("welcome")
	lenient.DeleteWhenMissing = true
	jobs.Handle(q.Registry, strict, greet)
	jobs.Handle(q.Registry, lenient, greet)

	q.Dispatch(strict.New(1))
	change("UPDATE riders SET name = 'Ana' WHERE id = 1")
	q.Drain()
	fmt.Println(outline(q.Flow(runs(q, strict.New(2)))))
	fmt.Println(outline(q.Flow(runs(q, lenient.New(2)))))
	// Output:
	// hello Ana
	// main greet:failed(1)
	// main welcome:done
}
