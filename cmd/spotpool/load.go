package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/spotpool/spotpool/internal/sim"
)

// loadOptions are the flags of 'load'.
type loadOptions struct {
	replay   string
	server   string
	limit    int
	drivers  float64
	over     time.Duration
	workers  int
	deadline time.Duration
}

func loadCommand() *cobra.Command {
	var o loadOptions
	cmd := &cobra.Command{
		Use: "load --replay FILE", Short: "Drive recorded trips through a running server, then audit", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := settings(cmd)
			if err != nil {
				return err
			}
			recording, err := o.read()
			if err != nil {
				return err
			}
			return withApp(cmd.Context(), s, func(a *app) error {
				return a.load(cmd.Context(), o, recording, cmd.OutOrStdout(), cmd.ErrOrStderr())
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.replay, "replay", "", "CSV file of recorded trips (NYC green taxi, or Melbourne ridesharing)")
	f.StringVar(&o.server, "server", "", "the server's address, http://host:port; empty: that of --addr")
	f.IntVar(&o.limit, "limit", 0, "how many recorded trips to use; 0: all")
	f.Float64Var(&o.drivers, "drivers", 0.3, "share of the recorded trips that become offered trips, where the file does not say")
	f.DurationVar(&o.over, "over", time.Minute, "time into which the recording is compressed")
	f.IntVar(&o.workers, "workers", 16, "requests at a time")
	f.DurationVar(&o.deadline, "deadline", 15*time.Minute, "how long to wait for the last orders")
	return cmd
}

// read checks the options and reads the recording.
func (o loadOptions) read() (r sim.Recording, err error) {
	switch {
	case o.replay == "":
		return r, usagef("say what to replay: --replay FILE")
	case o.limit < 0 || o.workers < 1 || o.over < 0 || o.deadline <= 0:
		return r, usagef("--limit, --workers, --over and --deadline must be positive")
	case o.drivers <= 0 || o.drivers >= 1:
		return r, usagef("--drivers is a share between 0 and 1")
	}
	if r, err = sim.ReadFile(o.replay, o.drivers); err != nil {
		return r, usageError{err}
	}
	if o.limit > 0 {
		r = r.First(o.limit)
	}
	return r, nil
}

// load replays the recording, prints what came of it, and audits the database.
func (a *app) load(ctx context.Context, o loadOptions, r sim.Recording, stdout, stderr io.Writer) error {
	server := o.server
	if server == "" {
		server = "http://" + visible(a.settings.Addr)
	}
	client := sim.NewClient(server, nil)
	defer client.Close()
	fmt.Fprintf(stdout, "replaying %d recorded trips against %s\n", len(r.Rides), server)
	report, err := sim.Replay(ctx, sim.Options{
		Client: client, Tokens: a.tokens, Clock: a.clock, Log: a.log, Rides: r.Rides,
		Over: o.over, Workers: o.workers, Wait: o.deadline, Progress: stderr,
	})
	if err != nil {
		return err
	}
	if err := report.Table(stdout); err != nil {
		return err
	}
	fmt.Fprintln(stdout)
	return a.audit(ctx, stdout, 30*time.Second)
}
