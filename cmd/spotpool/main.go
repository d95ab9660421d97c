// Spotpool is a spot-carpool backend whose slow work runs as queued jobs. One
// binary holds every part; see its help for the commands.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	_ "time/tzdata" // zones on machines that have none

	"github.com/redis/go-redis/v9/logging"
	"github.com/spf13/cobra"

	"github.com/spotpool/spotpool/internal/config"
)

func main() {
	tuneGC()
	logging.Disable() // go-redis writes lines of its own about what it returns as an error too
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// gcPercent lets the heap grow to five times what is in use before it is cleared:
// a worker keeps little and makes much that is soon forgotten, so that the default
// of twice has it spend a quarter of its time on clearing.
const gcPercent = 400

// tuneGC heeds the runtime's own variable where it is set.
func tuneGC() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1 // it was tried and went wrong, or an audit found something
	exitUsage  = 2 // what was asked makes no sense
)

// usageError is an error in what was asked for.
type usageError struct{ error }

func (u usageError) Unwrap() error { return u.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// errFindings ends a command whose output says already what is wrong.
var errFindings = errors.New("something is not as it should be")

// run executes one command line and returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := &cobra.Command{
		Use:           "spotpool",
		Short:         "现货拼车 · a spot-carpool backend whose slow work runs as queued jobs",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	config.Bind(root.PersistentFlags())
	root.AddCommand(
		serveCommand("demo", "Run everything in one process, with a synthetic city that uses it", allParts|theCity),
		serveCommand("serve", "Run API, worker and pages in one process", allParts),
		serveCommand("api", "Run the HTTP API and the pages", theAPI),
		serveCommand("work", "Run a worker", theWorker),
		migrateCommand(), tokenCommand(), loadCommand(), auditCommand(), queueCommand(), benchCommand(),
	)
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errFindings):
		return exitFailed
	}
	fmt.Fprintln(stderr, "spotpool:", err)
	var usage usageError
	if errors.As(err, &usage) || isUnknownCommand(root, args) {
		return exitUsage
	}
	return exitFailed
}

// isUnknownCommand reports whether cobra found no command for the arguments.
func isUnknownCommand(root *cobra.Command, args []string) bool {
	_, _, err := root.Find(args)
	return err != nil
}

// settings reads the settings for a command.
func settings(cmd *cobra.Command) (config.Settings, error) {
	s, err := config.Load(cmd.Flags(), config.Lookup)
	if err != nil {
		return s, usageError{err}
	}
	return s, nil
}

// noArgs refuses what stands behind a command that takes nothing.
func noArgs(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("unexpected argument %q", args[0])
	}
	return nil
}
