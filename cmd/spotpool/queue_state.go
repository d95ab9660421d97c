package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/spotpool/spotpool/internal/config"
	"github.com/spotpool/spotpool/internal/httpapi"
	"github.com/spotpool/spotpool/internal/jobs"
)

func pauseCommand() *cobra.Command {
	return operate("pause QUEUE", "Keep the workers from a queue until it is continued", oneQueue, func(o operation, args []string) error {
		if err := o.system.Admin().Pause(o.ctx, args[0]); err != nil {
			return err
		}
		fmt.Fprintf(o.out, "%s is paused%s\n", args[0], o.heeded())
		return nil
	})
}

func continueCommand() *cobra.Command {
	return operate("continue QUEUE", "Let the workers have a queue again", oneQueue, func(o operation, args []string) error {
		paused, err := o.system.Admin().Continue(o.ctx, args[0])
		switch {
		case err != nil:
			return err
		case !paused:
			fmt.Fprintf(o.out, "%s was not paused\n", args[0])
		default:
			fmt.Fprintf(o.out, "%s goes on%s\n", args[0], o.heeded())
		}
		return nil
	})
}

// heeded says when the workers know, where this process cannot tell their Redis.
func (o operation) heeded() string {
	if o.settings.Redis != "" {
		return ""
	}
	return fmt.Sprintf("; the running server heeds it with its next sweep, every %s", o.settings.SweepInterval)
}

func restartCommand() *cobra.Command {
	return operate("restart", "Have all workers stop gracefully and begin anew", nothing, func(o operation, _ []string) error {
		if err := o.system.Admin().Restart(o.ctx); err != nil {
			return err
		}
		fmt.Fprintf(o.out, "the workers that run now restart within %s\n", o.settings.SweepInterval)
		return nil
	})
}

// monitor is what 'queue monitor' was asked for.
type monitor struct {
	max     int64         // pending jobs of a queue; 0: any number
	maxWait time.Duration // of the oldest one; 0: any time
	every   time.Duration // 0: one look
	asJSON  bool
}

func monitorCommand() *cobra.Command {
	var m monitor
	cmd := operate("monitor", "Show how many jobs wait in each queue and for how long; exit 1 above a limit", m.check,
		func(o operation, _ []string) error { return o.monitor(m) })
	cmd.Flags().Int64Var(&m.max, "max", 0, "how many jobs may wait in a queue; 0: any number")
	cmd.Flags().DurationVar(&m.maxWait, "max-wait", 0, "how long the oldest of them may have waited; 0: any time")
	cmd.Flags().DurationVar(&m.every, "every", 0, "look again and again, at this interval, until Ctrl-C; 0: once")
	jsonFlag(cmd, &m.asJSON)
	return cmd
}

func (m *monitor) check(s config.Settings, args []string) error {
	switch {
	case len(args) > 0:
		return noArgs(nil, args)
	case m.max < 0 || m.maxWait < 0 || m.every < 0:
		return usagef("--max, --max-wait and --every must not be negative")
	case s.Redis == "":
		return usagef("the queues are in Redis, and one that is embedded belongs to the process that runs it: set --redis, or ask the running server for GET /v1/queue/queues")
	}
	return nil
}

// monitor looks once, or until the context is over, and returns errFindings when
// a queue was above a limit.
func (o operation) monitor(m monitor) error {
	found := false
	for {
		above, err := o.look(m)
		found = found || above
		switch {
		case err != nil && o.ctx.Err() == nil && m.every == 0:
			return fmt.Errorf("ask Redis how long the queues are: %w", err)
		case err != nil && o.ctx.Err() == nil:
			fmt.Fprintf(o.errs, "spotpool: Redis does not answer: %v\n", err)
		}
		if m.every > 0 && pause(o.ctx, m.every) {
			continue
		}
		if found {
			return errFindings
		}
		return nil
	}
}

// pause reports false when the context ended first.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// lookPatience is how long a look waits for Redis.
const lookPatience = 5 * time.Second

// look prints how the queues stand and reports whether one is above a limit.
func (o operation) look(m monitor) (above bool, err error) {
	ctx, cancel := context.WithTimeout(o.ctx, lookPatience)
	defer cancel()
	queues, err := o.system.Admin().Queues(ctx, o.settings.QueueNames()...)
	if err != nil {
		return false, err
	}
	for _, q := range queues {
		above = above || m.verdict(q) != ""
	}
	if m.every > 0 && !m.asJSON {
		fmt.Fprintln(o.out, o.clock.Now().UTC().Format(time.RFC3339))
	}
	return above, list(o.out, queues, m.asJSON, httpapi.QueueStateOf, "QUEUE PENDING WAIT ACTIVE SCHEDULED RETRY ARCHIVED STATE", func(q jobs.QueueView) []any {
		return []any{q.Name, q.Pending, q.Wait.Round(time.Millisecond), q.Active, q.Scheduled, q.Retry, q.Archived, m.state(q)}
	})
}

// verdict says which limit a queue is above, or "".
func (m monitor) verdict(q jobs.QueueView) string {
	switch {
	case m.max > 0 && q.Pending > m.max:
		return "TOO MANY"
	case m.maxWait > 0 && q.Wait > m.maxWait:
		return "TOO LONG"
	}
	return ""
}

func (m monitor) state(q jobs.QueueView) string {
	state := "ok"
	if q.Paused {
		state = "paused"
	}
	if v := m.verdict(q); v != "" {
		return state + ", " + v
	}
	return state
}
