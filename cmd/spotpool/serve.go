package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/cobra"

	"github.com/spotpool/spotpool/internal/config"
	"github.com/spotpool/spotpool/internal/logs"
)

// parts are what a process runs.
type parts int

const (
	theAPI parts = 1 << iota
	theWorker
	theCity
	allParts = theAPI | theWorker
)

func (p parts) has(some parts) bool { return p&some == some }

func serveCommand(name, short string, run parts) *cobra.Command {
	return &cobra.Command{
		Use: name, Short: short, Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := settings(cmd)
			if err != nil {
				return err
			}
			return serve(cmd.Context(), s, run, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
}

// serve runs the parts until ctx is over.
func serve(ctx context.Context, s config.Settings, run parts, stdout, stderr io.Writer) error {
	if err := checkParts(s, run); err != nil {
		return err
	}
	level, err := s.Level()
	if err != nil {
		return err
	}
	var told io.Writer
	if run.has(allParts) {
		told = stderr
	}
	if run.has(theCity) && s.ClockSpeed == 0 {
		s.ClockSpeed = demoSpeed
	}
	a, err := newApp(ctx, s, logs.New(stderr, level), told)
	if err != nil {
		return err
	}
	defer func() { _ = a.close() }()
	return a.run(ctx, run, func(addr string) error { return a.welcome(ctx, stdout, addr, run) })
}

// checkParts refuses to run a part alone on servers that die with it, and to text or
// charge people who are invented.
func checkParts(s config.Settings, run parts) error {
	alone := run == theAPI || run == theWorker
	if alone && s.Redis == "" {
		return usagef("'api' and 'work' share one Redis: set --redis, or run 'serve', which has its own")
	}
	if alone && s.Database == "" {
		return usagef("'api' and 'work' share one database: set --database, or run 'serve', which has its own")
	}
	if alone && s.Secret == "" {
		return usagef("'api' and 'work' share one secret: set --secret to at least 16 characters")
	}
	if run.has(theCity) && s.SMS != config.LogSMS {
		return usagef("'demo' sends no SMS, since its people are invented and their numbers may be somebody's: set --sms log")
	}
	if run.has(theCity) && s.PayGateway != config.SandboxPay {
		return usagef("'demo' moves no money, since its people are invented: set --pay-gateway sandbox")
	}
	if run.has(theAPI) && run.has(theWorker) && endsItself(s) {
		return usagef("--stop-when-empty, --max-jobs, --max-time and --memory end a 'work' process; the worker within 'serve' and 'demo' does not end")
	}
	return nil
}

// run runs the parts until ctx is over or one of them fails, then stops them in
// turn: first what brings work in, then what does it. ready is called with the
// address once the API listens, or with "" when there is none.
func (a *app) run(ctx context.Context, run parts, ready func(addr string) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	start := func(name string, part func(context.Context) error) {
		wg.Go(func() {
			if err := part(ctx); err != nil && ctx.Err() == nil {
				cancel(fmt.Errorf("%s: %w", name, err))
			}
		})
	}
	start("clock", func(ctx context.Context) error { return a.clock.Keep(ctx, a.log) })
	start("live hints", a.hub.Run)
	addr := ""
	if run.has(theAPI) {
		l, err := net.Listen("tcp", a.settings.Addr)
		if err != nil {
			return fmt.Errorf("listen: %w", err)
		}
		addr = l.Addr().String()
		start("api", func(ctx context.Context) error { return a.serveHTTP(ctx, a.api.HTTPServer(), l) })
	}
	if run.has(theWorker) {
		start("board", a.board.Run)
		start("worker", func(ctx context.Context) error { return a.work(ctx, run == theWorker) })
	}
	if run == theWorker && a.settings.MetricsAddr != "" {
		l, err := net.Listen("tcp", a.settings.MetricsAddr)
		if err != nil {
			return fmt.Errorf("listen for metrics: %w", err)
		}
		start("metrics", func(ctx context.Context) error { return a.serveHTTP(ctx, a.metricsServer(), l) })
	}
	err := ready(addr)
	if err == nil {
		if run.has(theCity) {
			start("city", func(ctx context.Context) error { return a.live(ctx, addr) })
		}
		<-ctx.Done()
		a.log.Info("stopping")
	}
	cancel(nil)
	wg.Wait()
	if cause := context.Cause(ctx); err == nil && !errors.Is(cause, context.Canceled) && !errors.Is(cause, errWorkerEnded) {
		err = cause
	}
	return err
}

// serveHTTP serves until ctx is over, then lets the requests under way end.
func (a *app) serveHTTP(ctx context.Context, srv *http.Server, l net.Listener) error {
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(l) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.settings.StopTimeout)
	defer cancel()
	if err := srv.Shutdown(stop); err != nil {
		_ = srv.Close()
	}
	<-failed
	return nil
}

// metricsServer shows a worker's metrics and health.
func (a *app) metricsServer() *http.Server {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(a.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	return &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second}
}
