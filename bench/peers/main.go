// Command peers compares queue engines on one machine, each with the durability
// it has by default. It prints a Markdown table; README.md says what the rows mean.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// opener makes an engine ready; Engine.Close undoes it.
type opener struct {
	name string
	open func(context.Context, *Servers) (Engine, error)
}

var openers = []opener{
	{"spotpool", openSpotpool}, {"river", openRiver}, {"bullmq", openBullMQ}, {"asynq", openAsynq},
}

type options struct {
	engines, cases, workers     string
	runs, jobs, chains          int
	idle, batches, large, count int
	poll, deadline, budget      time.Duration
	profile                     string
	servers                     Servers
}

func parse(args []string) (o options, err error) {
	f := flag.NewFlagSet("peers", flag.ContinueOnError)
	f.StringVar(&o.engines, "engines", "spotpool,river,bullmq,asynq", "engines to compare")
	f.StringVar(&o.cases, "cases", "noop,chain,idle,batch,count", "what to measure")
	f.StringVar(&o.workers, "workers", "10,50,500", "workers of the case noop; the other cases have 50")
	f.IntVar(&o.runs, "runs", 5, "runs of every case")
	f.IntVar(&o.jobs, "jobs", 20_000, "jobs of the case noop")
	f.IntVar(&o.chains, "chains", 2_000, "chains of the case chain")
	f.IntVar(&o.idle, "idle-chains", 100, "chains of the case idle")
	f.IntVar(&o.batches, "batches", 30, "batches of 100 jobs in the case batch")
	f.IntVar(&o.large, "large-batch", 10_000, "jobs of the large batch in the case batch")
	f.IntVar(&o.count, "count-jobs", 5_000, "jobs of the case count")
	f.DurationVar(&o.poll, "poll", 5*time.Millisecond, "between two looks at an empty queue; 0: each engine's default")
	f.DurationVar(&o.budget, "budget", time.Minute, "start no further idle chain or batch of a run after this time")
	f.DurationVar(&o.deadline, "deadline", 5*time.Minute, "a run that takes longer has failed")
	f.StringVar(&o.profile, "cpuprofile", "", "write a CPU profile of this process to this file")
	f.StringVar(&o.servers.RedisAddr, "redis", "", "host:port of an empty Redis; empty: start one")
	f.StringVar(&o.servers.MySQL, "mysql", "mysql://root@127.0.0.1:3306/", "MariaDB or MySQL server")
	f.StringVar(&o.servers.Postgres, "postgres", "postgres://postgres@127.0.0.1:5432/", "PostgreSQL server")
	return o, f.Parse(args)
}

// plan lists the cases in the order of a round.
func (o options) plan() (cases []Case, err error) {
	const workers = 50
	flat := func(label string, finished, waiting int) {
		cases = append(cases, Case{Label: label, Kind: noop, Workers: workers, Groups: 1, Size: o.jobs, Poll: o.poll, Finished: finished, Waiting: waiting, Alone: true})
	}
	for _, name := range strings.Split(o.cases, ",") {
		switch name {
		case "noop":
			for _, w := range strings.Split(o.workers, ",") {
				n, err := strconv.Atoi(w)
				if err != nil || n < 1 {
					return nil, fmt.Errorf("--workers: %q is no number of workers", w)
				}
				cases = append(cases, Case{Label: "no-op, " + w + " workers", Kind: noop, Workers: n, Groups: 1, Size: o.jobs, Poll: o.poll})
			}
		case "chain":
			c := Case{Label: "chains of 3, started in bulk", Kind: chain, Workers: workers, Groups: o.chains, Size: chainSteps, Poll: o.poll, Bulk: true}
			cases = append(cases, c)
			c.Label, c.Bulk = "chains of 3, started one by one", false
			cases = append(cases, c)
		case "idle":
			c := Case{Label: "idle chain, default intervals", Kind: chain, Workers: workers, Groups: o.idle, Size: chainSteps, OneByOne: true, Budget: o.budget}
			cases = append(cases, c)
			c.Label, c.Poll = "idle chain, lowered intervals", o.poll
			cases = append(cases, c)
		case "batch":
			c := Case{Label: "batch of 100", Kind: batch, Workers: workers, Groups: o.batches, Size: 101, OneByOne: true, Budget: o.budget, Poll: o.poll}
			cases = append(cases, c)
			c.Label, c.Groups, c.Size = fmt.Sprintf("batch of %d", o.large), 1, o.large+1
			cases = append(cases, c)
		case "count":
			cases = append(cases, Case{Label: "count, no-op", Kind: noop, Workers: workers, Groups: 1, Size: o.count, Poll: o.poll, Count: true})
		case "flat":
			for _, n := range []int{1_000, 10_000, 100_000, 1_000_000} {
				flat(fmt.Sprintf("no-op, %d finished", n), n, 0)
			}
			for _, n := range []int{0, 1_000, 10_000, 100_000} {
				flat(fmt.Sprintf("no-op, %d waiting", n), 0, n)
			}
		default:
			return nil, fmt.Errorf("--cases: %q is not one of noop, chain, idle, batch, count, flat", name)
		}
	}
	return cases, nil
}

// gcPercent is what the application sets, here for all engines written in Go.
const gcPercent = 400

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := bench(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
}

func bench(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	o, err := parse(args)
	if err != nil {
		return err
	}
	cases, err := o.plan()
	if err != nil {
		return err
	}
	if o.profile != "" {
		f, err := os.Create(o.profile)
		if err != nil {
			return err
		}
		if err := pprof.StartCPUProfile(f); err != nil {
			return errors.Join(err, f.Close())
		}
		defer func() {
			pprof.StopCPUProfile()
			err = errors.Join(err, f.Close())
		}()
	}
	if err := o.servers.Open(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, o.servers.Close()) }()
	r := newReport()
	err = r.open(ctx, &o.servers, strings.Split(o.engines, ","))
	defer func() { err = errors.Join(err, r.close()) }()
	if err != nil {
		return err
	}
	err = rounds(ctx, o, cases, r, stderr)
	r.print(stdout)
	return err
}

// rounds runs every case with every engine in turn, so that what else the
// machine does hits all of them alike. A run that fails fails the program, once
// the others have run.
func rounds(ctx context.Context, o options, cases []Case, r *report, progress io.Writer) error {
	var errs []error
	for n := range o.runs {
		for _, c := range cases {
			for _, e := range r.engines {
				if _, ours := e.Engine.(*spotpool); c.Alone && !ours {
					continue
				}
				began := time.Now()
				err := once(ctx, o, e, c, r)
				if err != nil {
					err = fmt.Errorf("%s, %s, run %d: %w", e.name, c.Label, n+1, err)
					errs = append(errs, err)
				}
				if ctx.Err() != nil {
					return errors.Join(errs...)
				}
				fmt.Fprintf(progress, "run %d/%d: %s: %s: %s: %v\n", n+1, o.runs, c.Label, e.name, time.Since(began).Round(time.Millisecond), outcome(err))
			}
		}
	}
	return errors.Join(errs...)
}

func outcome(err error) string {
	if err != nil {
		return "FAILED: " + err.Error()
	}
	return "ok"
}

// once makes one run and notes its figures.
func once(ctx context.Context, o options, e *named, c Case, r *report) error {
	ctx, cancel := context.WithTimeout(ctx, o.deadline)
	defer cancel()
	runtime.GC()
	measure := timed
	if c.Count {
		measure = counted
	}
	err := measure(ctx, &o.servers, e, c, r)
	if err != nil {
		r.fail(c, e.name)
	}
	return err
}

// timed notes how long a run took.
func timed(ctx context.Context, _ *Servers, e *named, c Case, r *report) error {
	result, err := e.Run(ctx, c)
	if err == nil {
		r.note(c, e.name, result)
	}
	return err
}

// counted notes what Redis and the SQL server were asked for each job.
func counted(ctx context.Context, s *Servers, e *named, c Case, r *report) error {
	before, err := e.Statements(ctx)
	if err != nil {
		return err
	}
	end, err := s.watch(ctx)
	if err != nil {
		return err
	}
	_, err = e.Run(ctx, c)
	redis, watchErr := end()
	if err := errors.Join(err, watchErr); err != nil {
		return err
	}
	after, err := e.Statements(ctx)
	if err != nil {
		return err
	}
	per := func(n int64) float64 { return float64(n) / float64(c.Size) }
	r.add(c, "Redis commands sent per job", e.name, per(redis.sent))
	r.add(c, "Redis commands in Lua per job", e.name, per(redis.inLua))
	r.add(c, "SQL statements per job", e.name, per(after.All-before.All))
	r.add(c, "SQL commits per job", e.name, per(after.Commits-before.Commits))
	return nil
}
