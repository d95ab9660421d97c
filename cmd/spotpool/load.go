package main

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/spotpool/spotpool/internal/config"
	"github.com/spotpool/spotpool/internal/sim"
)

// loadOptions are the flags of 'load'.
type loadOptions struct {
	// The synthetic city.
	city           bool
	rates          []float64
	ramp, duration time.Duration
	drivers        int
	taxis          float64
	seed           uint64
	// A recording instead.
	replay string
	limit  int
	over   time.Duration
	share  float64
	dayOptions
	// The server.
	server    string
	processes int
	// How it is measured and shown.
	workers               int
	slo, deadline, settle time.Duration
	limits                bool
	asJSON                bool
	report                string
}

func loadCommand() *cobra.Command {
	var o loadOptions
	cmd := &cobra.Command{
		Use: "load", Short: "Test under load: send orders at given rates, measure, then audit", Args: noArgs,
		Long: `Sends orders at given rates, whether or not earlier ones are answered, and counts
latencies from the moment each was due. It runs against a server that it starts
itself, on the database and the Redis of the settings or on fresh embedded ones,
or with --server beside a running one, on whose settings it must be started.
With --day it acts a whole day of the city out in fast time, with everything that
goes wrong on one, and accounts for every order and every fen.
At the end it prints what was measured and checks the database against the rules;
exit 1 where one is broken.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := settings(cmd)
			if err != nil {
				return err
			}
			o.usualDay(cmd)
			if err := o.check(cmd, s); err != nil {
				return err
			}
			plan, err := o.plan()
			if err != nil {
				return err
			}
			l := load{options: o, plan: plan, settings: s, stdout: cmd.OutOrStdout(), stderr: cmd.ErrOrStderr()}
			if o.day {
				l.settings = o.dayOptions.settings(cmd, s, o.seed)
			}
			l.ownData = !chosen(cmd, "data")
			if !chosen(cmd, "log-level") {
				l.settings.LogLevel = o.logLevel()
			}
			return l.run(cmd.Context())
		},
	}
	o.bind(cmd)
	o.dayOptions.bind(cmd)
	return cmd
}

// usualDay sets what is different by default on a day.
func (o *loadOptions) usualDay(cmd *cobra.Command) {
	if !o.day {
		return
	}
	if !cmd.Flags().Changed("deadline") {
		o.deadline = dayPatience
	}
	if !cmd.Flags().Changed("taxi-share") {
		o.taxis = dayTaxis
	}
}

// chosen reports whether a setting was given, as a flag or a variable.
func chosen(cmd *cobra.Command, flag string) bool {
	_, set := config.Lookup(config.EnvName(flag))
	return set || cmd.Flags().Changed(flag)
}

func (o *loadOptions) bind(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVar(&o.city, "city", true, "people of a synthetic city, made from --seed")
	f.Float64SliceVar(&o.rates, "rate", []float64{10}, "orders a second; several, as in 5,10,20,40, are steps of one run")
	f.DurationVar(&o.ramp, "ramp", 5*time.Second, "time in which the rate climbs to that of a step, measured in no step")
	f.DurationVar(&o.duration, "duration", 30*time.Second, "how long a step lasts after its ramp")
	f.IntVar(&o.drivers, "drivers", 500, "trips offered beforehand; more replace those that fill up or depart; 0: none")
	f.Float64Var(&o.taxis, "taxi-share", 0, "share of the trips that have no destination of their own, 0 to 1")
	f.Uint64Var(&o.seed, "seed", 1, "the same seed makes the same people come at the same moments")
	f.StringVar(&o.replay, "replay", "", "instead of the city, a CSV file of recorded trips (NYC green taxi, or Melbourne ridesharing)")
	f.IntVar(&o.limit, "limit", 0, "how many recorded trips to use; 0: all")
	f.DurationVar(&o.over, "over", time.Minute, "time into which the recording is compressed")
	f.Float64Var(&o.share, "driver-share", 0.3, "share of the recorded trips that become offered trips, where the file does not say")
	f.StringVar(&o.server, "server", "", "a running server, http://host:port; empty: start one")
	f.IntVar(&o.processes, "processes", 0, "start an 'api' and so many 'work' processes, which needs --database and --redis; 0: one 'serve'")
	f.IntVar(&o.workers, "workers", 512, "requests that may be in flight at once; what has to wait for one counts as late")
	f.DurationVar(&o.slo, "slo", time.Second, "limit that a step must keep at p99, to the accept and from there to the confirmation")
	f.DurationVar(&o.deadline, "deadline", 30*time.Second, "how long to wait for the last orders")
	f.DurationVar(&o.settle, "settle", 30*time.Second, "how long a broken rule is looked at again, since work under way may explain it")
	f.BoolVar(&o.limits, "limits", false, "measure beforehand what MySQL and Redis manage by themselves, and compare; needs --database and --redis")
	f.BoolVar(&o.asJSON, "json", false, "print JSON, with the figures of each second")
	f.StringVar(&o.report, "report", "", "write a page with the curves to this file, for a browser, offline too")
}

// The most that a load test may be asked for.
const (
	mostRate   = 10_000
	mostOrders = 1_000_000
	mostTrips  = 100_000
	mostFlight = 10_000
)

// check refuses what makes no sense.
func (o loadOptions) check(cmd *cobra.Command, s config.Settings) error {
	if err := o.checkSource(cmd); err != nil {
		return err
	}
	if err := o.dayOptions.check(cmd); err != nil {
		return err
	}
	orders := 0.0
	for _, rate := range o.rates {
		if !(rate > 0 && rate <= mostRate) {
			return usagef("--rate: %g is not a rate above 0, up to %d orders a second", rate, mostRate)
		}
		orders += rate * (o.ramp + o.duration).Seconds()
	}
	switch {
	case len(o.rates) == 0:
		return usagef("--rate names no rate")
	case o.duration < time.Second || o.ramp < 0:
		return usagef("--duration must be at least a second, --ramp must not be negative")
	case orders > mostOrders:
		return usagef("--rate, --ramp and --duration ask for %.0f orders; %d are the most", orders, mostOrders)
	case o.drivers < 0 || o.drivers > mostTrips:
		return usagef("--drivers must be from 0 to %d", mostTrips)
	case !(o.taxis >= 0 && o.taxis <= 1):
		return usagef("--taxi-share is a share from 0 to 1")
	case o.limit < 0:
		return usagef("--limit must not be negative")
	case o.over < time.Second:
		return usagef("--over must be at least a second")
	case !(o.share > 0 && o.share < 1):
		return usagef("--driver-share is a share between 0 and 1")
	case o.workers < 1 || o.workers > mostFlight:
		return usagef("--workers must be from 1 to %d", mostFlight)
	case o.slo <= 0 || o.deadline <= 0 || o.settle < 0:
		return usagef("--slo and --deadline must be longer than zero, --settle must not be negative")
	}
	if err := o.checkServer(s); err != nil {
		return err
	}
	return o.checkReport()
}

// checkSource refuses flags of the city beside a recording, and the other way round.
func (o loadOptions) checkSource(cmd *cobra.Command) error {
	if !o.city && o.replay == "" {
		return usagef("without the city, say what to replay: --replay FILE")
	}
	with, strangers := "--replay", []string{"city", "rate", "ramp", "duration", "drivers", "taxi-share", "seed"}
	if o.replay == "" {
		with, strangers = "the city", []string{"limit", "over", "driver-share"}
	}
	for _, name := range strangers {
		if cmd.Flags().Changed(name) && (name != "city" || o.city) {
			return usagef("--%s does not go with %s", name, with)
		}
	}
	return nil
}

func (o loadOptions) checkServer(s config.Settings) error {
	if o.server != "" {
		if u, err := url.Parse(o.server); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return usagef("--server: %q is not an address such as http://127.0.0.1:8080", o.server)
		}
	}
	switch {
	case o.processes < 0 || o.processes > 64:
		return usagef("--processes must be from 0 to 64")
	case o.processes > 0 && o.server != "":
		return usagef("--processes does not go with --server: that server has its own")
	case o.processes > 0 && (s.Database == "" || s.Redis == ""):
		return usagef("--processes needs --database and --redis, which the processes share")
	case o.limits && (!strings.Contains(s.DatabaseTarget(), "@") || s.Redis == "" || s.QueueRedis != ""):
		return usagef("--limits needs a MySQL server as --database and one --redis for all queues")
	case o.server == "" && endsItself(s):
		return usagef("--stop-when-empty, --max-jobs, --max-time and --memory would end the server in the middle")
	}
	return nil
}

// checkReport makes sure, before an hour of load, that the report can be written.
func (o loadOptions) checkReport() error {
	if o.report == "" {
		return nil
	}
	if info, err := os.Stat(o.report); err == nil && info.IsDir() {
		return usagef("--report: %s is a directory", o.report)
	}
	f, err := os.CreateTemp(filepath.Dir(o.report), ".spotpool-load-*")
	if err != nil {
		return usagef("--report: %s cannot be written: %w", o.report, plainError(err))
	}
	_ = f.Close()
	return os.Remove(f.Name())
}

// plan lays out what is sent.
func (o loadOptions) plan() (sim.Plan, error) {
	if o.replay == "" {
		return sim.CityLoad{Seed: o.seed, Rates: o.rates, Ramp: o.ramp, Hold: o.duration, Drivers: o.drivers, Taxis: o.taxis}.Plan(), nil
	}
	recording, err := sim.ReadFile(o.replay, o.share)
	if err != nil {
		return sim.Plan{}, usageError{err}
	}
	if o.limit > 0 {
		recording = recording.First(o.limit)
	}
	return sim.ReplayPlan(recording.Rides, o.over), nil
}

// source says in words what is sent.
func (o loadOptions) source() string {
	if o.day {
		return o.dayOptions.source(o.seed)
	}
	if o.replay != "" {
		return fmt.Sprintf("recorded trips of %s within %s", filepath.Base(o.replay), o.over)
	}
	rates := make([]string, len(o.rates))
	for i, r := range o.rates {
		rates[i] = fmt.Sprintf("%g", r)
	}
	text := fmt.Sprintf("a synthetic city, seed %d: %s orders a second, %s each after %s of ramp, %d trips on offer",
		o.seed, strings.Join(rates, ", "), o.duration, o.ramp, o.drivers)
	if o.taxis > 0 {
		text += fmt.Sprintf(", %g of them taxis'", o.taxis)
	}
	return text
}
