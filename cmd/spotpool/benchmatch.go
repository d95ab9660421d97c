package main

import (
	"context"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

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
	lock      string
	seed      uint64
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
	f.IntVar(&o.riders, "riders-per-driver", 1, "how many orders a driver of --melbourne may take")
	o.bindPolicy(f)
	f.StringVar(&o.log, "log", "", "file for the decisions, CSV")
	f.BoolVar(&o.json, "json", false, "print the report as JSON")
	return cmd
}

var policies = []string{match.Instant, match.Windowed, match.Best}

// bindPolicy binds the flags that say how the engine decides.
func (o *benchOptions) bindPolicy(f *pflag.FlagSet) {
	s := &o.settings
	f.StringVar(&s.Policy, "policy", match.Instant, strings.Join(policies, ", "))
	f.DurationVar(&s.Window, "window", 0, "how often orders that wait are decided; 0: what suits the policy")
	f.DurationVar(&s.Budget, "budget", 0, "time on the wall for an improvement; 0: what suits the policy")
	f.IntVar(&s.Moves, "moves", 0, "attempts of an improvement; 0: as many as the budget allows")
	f.Float64Var(&s.Waiting, "waiting", 0, "what a second of a rider's waiting costs, in seconds of driving; 0: what suits the policy, -1: nothing")
	f.Float64Var(&s.Unserved, "unserved", 0, "what an unserved order costs, as a multiple of driving it directly; 0: serve whatever can be served")
	f.BoolVar(&s.Late, "late", false, "decide as late as orders and vehicles allow, anew in each window until then")
	f.DurationVar(&s.Hold, "hold", 0, "how long a vehicle that stood idle stays after its first order; 0: what suits the policy, -1s: not at all")
	f.StringVar(&o.lock, "lock", "pickup", "from when on an order stays on its vehicle: pickup, or told, which is at once")
	f.Uint64Var(&o.seed, "seed", 1, "seed of --city and of the improvement")
}

// locks are the values of --lock and of the setting --match-lock.
var locks = map[string]match.Lock{"pickup": match.LockAtPickup, "told": match.LockWhenTold}

// belongs says to which of the sources a flag belongs.
var belongs = map[string][]string{
	"roads": {"instance"}, "vehicles": {"instance", "city"}, "orders": {"city"}, "over": {"city"}, "taxis": {"city"},
	"riders-per-driver": {"melbourne"}, "log": {"instance", "melbourne"},
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
	_, lock := locks[o.lock]
	switch {
	case o.instance != "" && o.roads == "":
		return usagef("--instance needs the roads it lies on: --roads PREFIX")
	case o.vehicles < 0 || o.plan.Orders < 1 || o.plan.Over <= 0 || o.riders < 1:
		return usagef("--vehicles, --orders, --over and --riders-per-driver must be positive")
	case max(o.vehicles, o.plan.Orders) > maxCity || o.riders > maxRiders:
		return usagef("--vehicles and --orders are at most %d, --riders-per-driver at most %d", maxCity, maxRiders)
	case !slices.Contains(policies, o.settings.Policy):
		return usagef("there is no policy %q; there are %s", o.settings.Policy, strings.Join(policies, ", "))
	case !lock:
		return usagef("--lock is pickup or told, not %q", o.lock)
	}
	return o.checkPolicy()
}

// checkPolicy refuses settings that the engine cannot use.
func (o benchOptions) checkPolicy() error {
	s := o.settings
	switch {
	case s.Window != 0 && (s.Window < time.Second || s.Window > time.Hour):
		return usagef("--window is between 1s and 1h")
	case s.Budget < 0 || s.Moves < 0:
		return usagef("--budget and --moves must not be negative")
	case s.Hold < -time.Second || s.Hold > time.Hour:
		return usagef("--hold is between -1s and 1h")
	case !(s.Waiting >= -1 && s.Waiting <= maxWeight && s.Unserved >= 0 && s.Unserved <= maxWeight):
		return usagef("--waiting and --unserved are at most %d, and not below -1 and 0", maxWeight)
	}
	return nil
}

// maxWeight is as good as infinite.
const maxWeight = 1000

// Limits of what fits into a machine's memory.
const (
	maxCity   = 5_000_000
	maxRiders = 8
)

// run runs the instance and prints the report.
func (o benchOptions) run(ctx context.Context, stdout, stderr io.Writer) (err error) {
	in, options, err := o.read(ctx)
	if ctx.Err() != nil {
		return ctx.Err()
	} else if err != nil {
		return usageError{err}
	}
	options.Settings, options.Progress = o.settings, stderr
	options.Settings.Lock, options.Settings.Seed = locks[o.lock], o.seed
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
func (o benchOptions) read(ctx context.Context) (in bench.Instance, options bench.Options, err error) {
	began := time.Now()
	switch {
	case o.city:
		o.plan.Vehicles, o.plan.Seed = o.vehicles, o.seed
		if o.vehicles == 0 {
			o.plan.Vehicles = 1000
		}
		in, options.Depart, options.Ground = bench.City(o.plan), true, bench.Open{Straight: geo.DefaultTravel}
	case o.melbourne != "":
		in, options.Ground, err = bench.ReadMelbourne(o.melbourne, o.riders)
		options.Depart, options.LogPairs = true, true
	default:
		var network *roads.Network
		if network, err = roads.ReadEdges(ctx, o.roads, cargoSpeed); err != nil {
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
