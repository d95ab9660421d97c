package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"runtime"
	"time"

	"github.com/spotpool/spotpool/internal/config"
	"github.com/spotpool/spotpool/internal/sim"
)

// load is a load test as it was asked for.
type load struct {
	options        loadOptions
	plan           sim.Plan
	settings       config.Settings
	ownData        bool // no data directory was named
	stdout, stderr io.Writer
}

// run starts the server, when none is named, and tests it.
func (l load) run(ctx context.Context) error {
	if l.options.server != "" {
		return l.test(ctx, l.options.server, "a running server")
	}
	told := l.stderr // of migrations, which are nobody's news on a fresh database
	if l.settings.Database == "" && l.ownData {
		dir, err := os.MkdirTemp("", "spotpool-load-")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(dir) }()
		l.settings.Data, told = dir, io.Discard
	}
	secret, err := secretOf(l.settings) // one for all processes
	if err != nil {
		return err
	}
	l.settings.Secret = string(secret)
	d, err := openPatiently(ctx, l.settings.DatabaseTarget())
	if err != nil {
		return err
	}
	if err = d.Migrate(ctx, told); err == nil {
		_, err = openClock(ctx, d, l.settings, true)
	}
	if err := errors.Join(err, d.Close()); err != nil {
		return err
	}
	server, err := startServer(ctx, l.settings, l.options.processes, l.stderr)
	if err != nil {
		return err
	}
	err = l.test(ctx, server.base(), server.what)
	return cmp.Or(err, server.stop())
}

// test drives the load against a server and shows what came of it.
func (l load) test(ctx context.Context, base, what string) error {
	return withApp(ctx, l.settings, func(a *app) error {
		client := sim.NewClient(base, nil)
		defer client.Close()
		alone := &limits{app: a, processes: max(1, l.options.processes), wanted: l.options.limits}
		if err := alone.measure(ctx); err != nil {
			return err
		}
		fmt.Fprintf(l.stderr, "load on %s, %s: %s\n", base, what, l.options.source())
		report, failed := sim.Drive(ctx, sim.Load{
			Client: client, Tokens: a.strangers(), Clock: a.clock, Log: a.log, Plan: l.plan,
			InFlight: l.options.workers, Wait: l.options.deadline, SLO: l.options.slo,
			CPU: a.cpu, Cores: runtime.GOMAXPROCS(0), Progress: l.stderr,
			Began: func() error { return alone.count(ctx, -1) },
		})
		report.Settings = l.asked(what)
		if failed == nil {
			report.Limits, failed = alone.report(ctx)
		}
		if failed == nil {
			report.Audit, failed = a.audit(ctx, l.options.settle)
		}
		if ctx.Err() != nil {
			failed = errors.New("interrupted: this is what was measured until then")
		}
		if report.Took > 0 { // it has begun
			failed = cmp.Or(failed, l.show(report))
		}
		return cmp.Or(failed, findings(report.Audit))
	})
}

// show prints the report and writes its page.
func (l load) show(r sim.Report) error {
	if l.options.report != "" {
		var page bytes.Buffer
		if err := r.HTML(&page); err != nil {
			return err
		}
		if err := os.WriteFile(l.options.report, page.Bytes(), 0o644); err != nil {
			return err
		}
	}
	if l.options.asJSON {
		return printJSON(l.stdout, r)
	}
	if err := r.Table(l.stdout); err != nil {
		return err
	}
	fmt.Fprintln(l.stdout)
	printAudit(l.stdout, r.Audit)
	return nil
}

// asked lists what was asked for, without what is nobody's business.
func (l load) asked(server string) []sim.Setting {
	database, redis := "SQLite", "embedded"
	if l.settings.Database != "" {
		database = "MySQL or MariaDB"
	}
	if l.settings.Redis != "" {
		redis = "a server"
	}
	return []sim.Setting{
		{Name: "load", Value: l.options.source()},
		{Name: "server", Value: server},
		{Name: "database", Value: database},
		{Name: "redis", Value: redis},
		{Name: "requests in flight", Value: fmt.Sprintf("up to %d", l.options.workers)},
		{Name: "limit", Value: fmt.Sprintf("%s at p99", l.options.slo)},
		{Name: "wait for the last orders", Value: l.options.deadline.String()},
		{Name: "machine", Value: fmt.Sprintf("%d cores, %s/%s, %s", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version())},
		{Name: "ended", Value: time.Now().UTC().Format(time.RFC3339)},
	}
}

// strangers returns tokens of people who have hardly used the server: a rider
// may hold only a few orders, and a load test may run again within the hour.
func (a *app) strangers() sim.Tokens {
	from := rand.IntN(900) * 10_000
	return func(ctx context.Context, role string, n int) ([]string, error) {
		if role == "operator" {
			return a.tokens(ctx, role, n)
		}
		return a.tokensFrom(ctx, role, from, n)
	}
}

// cpu returns what this process has used of the CPUs.
func (a *app) cpu() time.Duration {
	families, err := a.registry.Gather()
	if err != nil {
		return 0
	}
	for _, f := range families {
		if f.GetName() == "process_cpu_seconds_total" {
			return time.Duration(f.GetMetric()[0].GetCounter().GetValue() * float64(time.Second))
		}
	}
	return 0
}

// plainError leaves out the path, which the message names already.
func plainError(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}
