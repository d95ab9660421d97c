package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/config"
	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/sim"
	"github.com/spotpool/spotpool/internal/tempo"
)

// dayOptions are the flags of 'load --day'. Shares are in percent.
type dayOptions struct {
	day                                  bool
	orders                               int
	length                               time.Duration
	driverCancels, riderCancels, noShows float64
	gatewayErrors, smsErrors             float64
}

// What a day takes unless told otherwise.
const (
	daySpeed    = 60               // a day in 24 minutes
	dayTaxis    = 0.2              // share of the trips, which are there for whoever goes where few do
	dayDisputes = 30 * time.Minute // so that the last driver is paid soon after the last ride
	dayPatience = 3 * time.Minute  // by the wall, for what is under way once the last car is there
	mostOfADay  = 100_000          // orders
)

func (o *dayOptions) bind(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVar(&o.day, "day", false, "act a whole day out instead, with drivers who drive and people who call off, and count its money; time runs at --clock-speed, 60 unless told otherwise")
	f.IntVar(&o.orders, "orders", 5000, "orders of the day")
	f.DurationVar(&o.length, "day-length", 24*time.Hour, "application's time into which the day is pressed")
	f.Float64Var(&o.driverCancels, "driver-cancels", 3, "percent of the trips that their drivers call off")
	f.Float64Var(&o.riderCancels, "rider-cancels", 5, "percent of the orders that their riders call off, before or after the match")
	f.Float64Var(&o.noShows, "no-shows", 2, "percent of the orders whose riders do not come to the pickup")
	f.Float64Var(&o.gatewayErrors, "gateway-errors", 5, "percent of the calls to the payment gateway that go wrong: in one half it does nothing, in the other its answer is lost")
	f.Float64Var(&o.smsErrors, "sms-errors", 5, "percent of the SMS that go wrong, likewise")
}

// ofDay are the flags that go with a day only, notOfDay those that do not.
var (
	ofDay    = []string{"orders", "day-length", "driver-cancels", "rider-cancels", "no-shows", "gateway-errors", "sms-errors"}
	notOfDay = []string{"rate", "ramp", "duration", "drivers", "replay", "limit", "over", "driver-share", "server", "workers", "slo", "limits"}
	daysOwn  = []string{"sandbox-outage", "sandbox-lost", "sms-outage", "sms-lost", "mishap-seed"} // settings that a day sets
)

func (o dayOptions) check(cmd *cobra.Command) error {
	if !o.day {
		for _, name := range ofDay {
			if cmd.Flags().Changed(name) {
				return usagef("--%s goes with --day only", name)
			}
		}
		return nil
	}
	for _, name := range notOfDay {
		if cmd.Flags().Changed(name) {
			return usagef("--%s does not go with --day", name)
		}
	}
	for _, name := range daysOwn {
		if chosen(cmd, name) {
			return usagef("--%s does not go with --day: what goes wrong is a matter of --gateway-errors, --sms-errors and --seed", name)
		}
	}
	switch {
	case o.orders < 1 || o.orders > mostOfADay:
		return usagef("--orders must be from 1 to %d", mostOfADay)
	case o.length < 10*time.Minute || o.length > 7*24*time.Hour:
		return usagef("--day-length must be from 10 minutes to a week")
	}
	for _, share := range []struct {
		flag    string
		percent float64
	}{
		{"driver-cancels", o.driverCancels}, {"rider-cancels", o.riderCancels}, {"no-shows", o.noShows},
		{"gateway-errors", o.gatewayErrors}, {"sms-errors", o.smsErrors},
	} {
		if !(share.percent >= 0 && share.percent <= 100) {
			return usagef("--%s is a percentage, from 0 to 100", share.flag)
		}
	}
	return nil
}

// settings returns those with which a server is started for the day.
func (o dayOptions) settings(cmd *cobra.Command, s config.Settings, seed uint64) config.Settings {
	if !chosen(cmd, "clock-speed") {
		s.ClockSpeed = daySpeed
	}
	if !chosen(cmd, "dispute-window") {
		s.DisputeWindow = dayDisputes
	}
	s.SMS, s.PayGateway, s.SandboxBook, s.MishapSeed = config.LogSMS, config.SandboxPay, true, int(seed)
	s.SandboxOutage, s.SandboxLost = o.gatewayErrors/2, o.gatewayErrors/2
	s.SMSOutage, s.SMSLost = o.smsErrors/2, o.smsErrors/2
	return s
}

// logLevel is what the server tells. On a day, a retry is what is asked for.
func (o dayOptions) logLevel() string {
	if o.day {
		return "error"
	}
	return "warn"
}

// source says in words what is acted out.
func (o dayOptions) source(seed uint64) string {
	return fmt.Sprintf("a day of a synthetic city, seed %d: %d orders within %s; %g %% of the drivers and %g %% of the riders call off, %g %% of the riders do not come, "+
		"%g %% of the gateway's calls and %g %% of the SMS go wrong", seed, o.orders, o.length, o.driverCancels, o.riderCancels, o.noShows, o.gatewayErrors, o.smsErrors)
}

// beginDay makes a fresh database's time begin at the next midnight of its zone.
func beginDay(ctx context.Context, d *db.DB, s config.Settings) error {
	var orders int
	if err := d.Read(ctx).Raw("SELECT COUNT(*) FROM orders").Scan(&orders).Error; err != nil {
		return err
	}
	if orders > 0 {
		return usagef("--day needs a database without orders, since it counts all money to the last fen: this one has %d", orders)
	}
	zone, err := s.Zone()
	if err != nil {
		return err
	}
	_, midnight := clock.DayOf(time.Now(), zone).Span(zone)
	_, err = tempo.Open(ctx, d, tempo.Ask{Speed: s.ClockSpeed, Change: true, From: midnight})
	return err
}

// playDay acts the day out on a server and shows what came of it.
func (l load) playDay(ctx context.Context, base, what string) error {
	return withApp(ctx, l.settings, func(a *app) error {
		client := sim.NewClient(base, nil)
		defer client.Close()
		o := l.options
		fmt.Fprintf(l.stderr, "load on %s, %s: %s\n", base, what, l.options.source())
		report, failed := sim.PlayDay(ctx, sim.DayRun{
			Day: sim.Day{
				Seed: o.seed, Orders: o.orders, Length: o.length, Taxis: o.taxis,
				DriverCancels: o.driverCancels / 100, RiderCancels: o.riderCancels / 100, NoShows: o.noShows / 100,
			},
			Client: client, Tokens: a.tokens, Clock: a.clock, Wait: l.patience(a), Progress: l.stderr,
		})
		report.Settings = l.asked(what)
		if failed == nil {
			failed = l.awaitMoney(ctx, a)
		}
		if failed == nil {
			failed = a.account(ctx, &report)
		}
		if failed == nil {
			rules, err := a.audit(ctx, append(a.rules(), a.dayRules()...), o.settle)
			report.Audit, failed = append(report.Rules(), rules...), err
		}
		if ctx.Err() != nil {
			failed = errors.New("interrupted: this is what is known until then")
		}
		if report.Took > 0 {
			failed = cmp.Or(failed, l.show(report, report.Audit))
		}
		return cmp.Or(failed, findings(report.Audit))
	})
}

// patience is how long the last things are waited for, by the wall.
func (l load) patience(a *app) time.Duration {
	return l.options.deadline + clock.Wall(a.clock, l.settings.MatchFor)
}

// awaitMoney waits until all money is settled, or for so long that it will never be.
func (l load) awaitMoney(ctx context.Context, a *app) error {
	until := time.Now().Add(l.options.deadline + clock.Wall(a.clock, l.settings.DisputeWindow))
	for said := time.Now(); ; {
		left, err := a.payments.Unsettled(ctx)
		if err != nil || left == 0 || time.Now().After(until) {
			return err
		}
		if time.Since(said) > 5*time.Second {
			said = time.Now()
			fmt.Fprintf(l.stderr, "waiting until all is settled: %d payments and settlements are not\n", left)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// account fills in what the database knows of the day.
func (a *app) account(ctx context.Context, r *sim.DayReport) error {
	books, err := a.payments.Books(ctx)
	if err != nil {
		return err
	}
	said, err := a.payments.Said(ctx)
	if err != nil {
		return err
	}
	r.Money = sim.Money{
		Taken: books.Taken, Owed: books.Owed, PaidOut: books.PaidOut, Payable: books.Payable, Revenue: books.Revenue,
		Refunded: books.Refunded, Refunding: books.Refunding, Unshared: books.Unshared, Held: books.Held,
		GatewayTaken: said.Taken, GatewayPaidOut: said.PaidOut, GatewayRefunded: said.Refunded, Captures: said.Captures, Repeats: said.Repeats,
	}
	if r.Rematch.Orders, r.Rematch.Times, r.Rematch.Riders, err = a.orders.Rematched(ctx); err != nil {
		return err
	}
	events, sms, err := a.notices.Tally(ctx)
	r.Notices, r.SMS = named(events), named(sms)
	return err
}

// named returns counts by plain names.
func named[K ~string](n map[K]int) map[string]int {
	m := map[string]int{}
	for k, v := range n {
		m[string(k)] = v
	}
	return m
}

// dayRules are what must hold of a database once its day is over.
func (a *app) dayRules() []rule {
	return []rule{
		{"every rider was told how it ended", a.orders.Unanswered},
		{"all that departed is settled", a.unsettled},
		{"money in is money out", a.balanced},
	}
}

func (a *app) unsettled(ctx context.Context) ([]string, error) {
	left, err := a.payments.Unsettled(ctx)
	if err != nil || left == 0 {
		return nil, err
	}
	return []string{fmt.Sprintf("%d payments and settlements are not", left)}, nil
}

// balanced compares what riders were charged with what became of it, by the ledger's
// accounts and by the gateway's own book.
func (a *app) balanced(ctx context.Context) (lines []string, err error) {
	books, err := a.payments.Books(ctx)
	if err != nil {
		return nil, err
	}
	said, err := a.payments.Said(ctx)
	if err != nil {
		return nil, err
	}
	if books.In() != books.Out() {
		lines = append(lines, fmt.Sprintf("riders were charged %s, of which there are %s", books.In(), books.Out()))
	}
	if books.Taken != said.Taken || books.PaidOut != said.PaidOut || books.Refunded != said.Refunded {
		lines = append(lines, fmt.Sprintf("the ledger has %s taken, %s paid out and %s refunded, the gateway %s, %s and %s",
			books.Taken, books.PaidOut, books.Refunded, said.Taken, said.PaidOut, said.Refunded))
	}
	return lines, nil
}
