package main

import (
	"context"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/spotpool/spotpool/internal/bench"
	"github.com/spotpool/spotpool/internal/geo"
	"github.com/spotpool/spotpool/internal/match"
	"github.com/spotpool/spotpool/internal/roads"
)

func benchCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "bench", Short: "Measure a part of the program by itself", Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("there is no command %q of 'bench'", args[0])
			}
			return cmd.Help()
		},
	}
	cmd.AddCommand(benchMatchCommand())
	return cmd
}

// benchOptions are the flags of 'bench match'.
type benchOptions struct {
	instance  string
	roads     string
	melbourne string
	city      bool
	vehicles  int
	plan      bench.CityPlan
	riders    int
	settings  match.Settings
	log       string
	json      bool
}

func benchMatchCommand() *cobra.Command {
	var o benchOptions
	cmd := &cobra.Command{
		Use: "match", Short: "Run the matching engine on an instance, on a virtual clock", Args: noArgs,
		Long: `Run the matching engine on an instance, on a virtual clock: one of
  --instance FILE --roads PREFIX   an instance of the Cargo ridesharing benchmark
  --melbourne FILE                 drivers with destinations, of davidrey123/Ridesharing
  --city                           a synthetic city`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(cmd); err != nil {
				return err
			}
			return o.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.instance, "instance", "", "instance file of the Cargo ridesharing benchmark")
	f.StringVar(&o.roads, "roads", "", "its roads: PREFIX.edges and PREFIX.rnet")
	f.StringVar(&o.melbourne, "melbourne", "", "CSV file of the Melbourne ride-sharing instances")
	f.BoolVar(&o.city, "city", false, "a synthetic city instead of a file")
	f.IntVar(&o.vehicles, "vehicles", 0, "use only the first N vehicles of --instance, 0: all; or how many --city has at a time, 0: 1000")
	f.IntVar(&o.plan.Orders, "orders", 5000, "orders of --city")
	f.DurationVar(&o.plan.Over, "over", 30*time.Minute, "the time over which they come")
	f.BoolVar(&o.plan.Taxis, "taxis", false, "taxis in --city, not drivers with destinations")
	f.Uint64Var(&o.plan.Seed, "seed", 1, "seed of --city")
	f.IntVar(&o.riders, "riders-per-driver", 1, "how many orders a driver of --melbourne may take")
	f.StringVar(&o.settings.Policy, "policy", match.Instant, strings.Join(policies, ", "))
	f.DurationVar(&o.settings.Window, "window", 30*time.Second, "how often orders that wait are decided")
	f.StringVar(&o.log, "log", "", "file for the decisions, CSV")
	f.BoolVar(&o.json, "json", false, "print the report as JSON")
	return cmd
}

var policies = []string{match.Instant, match.Windowed, match.Best}

// belongs says to which of the sources a flag belongs.
var belongs = map[string][]string{
	"roads": {"instance"}, "vehicles": {"instance", "city"}, "orders": {"city"}, "over": {"city"}, "taxis": {"city"},
	"seed": {"city"}, "riders-per-driver": {"melbourne"}, "log": {"instance", "melbourne"},
}

// check refuses options that make no sense before anything is read.
func (o benchOptions) check(cmd *cobra.Command) error {
	var sources []string
	for _, name := range []string{"instance", "melbourne", "city"} {
		if cmd.Flags().Changed(name) {
			sources = append(sources, name)
		}
	}
	if len(sources) != 1 {
		return usagef("name one instance: --instance FILE with --roads PREFIX, --melbourne FILE, or --city")
	}
	for name, owners := range belongs {
		if cmd.Flags().Changed(name) && !slices.Contains(owners, sources[0]) {
			return usagef("--%s means nothing with --%s", name, sources[0])
		}
	}
	switch {
	case o.instance != "" && o.roads == "":
		return usagef("--instance needs the roads it lies on: --roads PREFIX")
	case o.vehicles < 0 || o.plan.Orders < 1 || o.plan.Over <= 0 || o.riders < 1:
		return usagef("--vehicles, --orders, --over and --riders-per-driver must be positive")
	case max(o.vehicles, o.plan.Orders) > maxCity || o.riders > maxRiders:
		return usagef("--vehicles and --orders are at most %d, --riders-per-driver at most %d", maxCity, maxRiders)
	case !slices.Contains(policies, o.settings.Policy):
		return usagef("there is no policy %q; there are %s", o.settings.Policy, strings.Join(policies, ", "))
	case o.settings.Window < time.Second || o.settings.Window > time.Hour:
		return usagef("--window is between 1s and 1h")
	}
	return nil
}

// Limits of what fits into a machine's memory.
const (
	maxCity   = 5_000_000
	maxRiders = 8
)

// run runs the instance and prints the report.
func (o benchOptions) run(ctx context.Context, stdout, stderr io.Writer) (err error) {
	in, options, err := o.read()
	if err != nil {
		return usageError{err}
	}
	options.Settings, options.Progress = o.settings, stderr
	if o.log != "" {
		f, err := os.Create(o.log)
		if err != nil {
			return usageError{err}
		}
		defer f.Close()
		options.Log = f
	}
	report, err := bench.Run(ctx, in, options)
	switch {
	case err != nil:
		return err
	case o.json:
		return report.JSON(stdout)
	}
	return report.Table(stdout)
}

// read returns the instance and the options that come with it.
func (o benchOptions) read() (in bench.Instance, options bench.Options, err error) {
	began := time.Now()
	switch {
	case o.city:
		o.plan.Vehicles = o.vehicles
		if o.vehicles == 0 {
			o.plan.Vehicles = 1000
		}
		in, options.Depart, options.Ground = bench.City(o.plan), true, bench.Open{Straight: geo.DefaultTravel}
	case o.melbourne != "":
		in, options.Ground, err = bench.ReadMelbourne(o.melbourne, o.riders)
		options.Depart, options.LogPairs = true, true
	default:
		var network *roads.Network
		if network, err = roads.ReadEdges(o.roads, cargoSpeed); err != nil {
			return in, options, err
		}
		options.Prepared, options.Ground = time.Since(began), bench.Streets{Network: network}
		if in, err = bench.ReadInstance(o.instance, network); o.vehicles > 0 {
			in = in.First(o.vehicles)
		}
	}
	return in, options, err
}

// cargoSpeed is how fast vehicles of the Cargo benchmark are, in metres a second.
const cargoSpeed = 10
