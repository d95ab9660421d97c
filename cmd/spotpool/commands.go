package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/spotpool/spotpool/internal/account"
	"github.com/spotpool/spotpool/internal/config"
	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/fault"
	"github.com/spotpool/spotpool/internal/sim"
)

func migrateCommand() *cobra.Command {
	return &cobra.Command{
		Use: "migrate", Short: "Bring the database's schema up to date", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := settings(cmd)
			if err != nil {
				return err
			}
			d, err := openPatiently(cmd.Context(), s.DatabaseTarget())
			if err != nil {
				return err
			}
			defer func() { _ = d.Close() }()
			if err := d.Migrate(cmd.Context(), cmd.OutOrStdout()); err != nil {
				return err
			}
			_, err = openClock(cmd.Context(), d, s, true)
			return err
		},
	}
}

// startTimeout bounds the wait for a database that is not up yet.
const startTimeout = 30 * time.Second

// openPatiently opens a database that may still be starting, as under docker compose.
func openPatiently(ctx context.Context, target string) (*db.DB, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		d, err := db.Open(ctx, target)
		if err == nil || errors.Is(err, db.ErrTarget) {
			return d, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(time.Second):
		}
	}
}

// withApp runs fn on the program's parts, of which none runs: for commands that
// work beside a running server, on the same database.
func withApp(ctx context.Context, s config.Settings, fn func(a *app) error) error {
	a, err := newApp(ctx, s, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		return err
	}
	defer func() { _ = a.close() }()
	return fn(a)
}

func tokenCommand() *cobra.Command {
	var role, phone string
	cmd := &cobra.Command{
		Use: "token", Short: "Print a token for scripts, beside a running server too", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := settings(cmd)
			if err != nil {
				return err
			}
			return withApp(cmd.Context(), s, func(a *app) error {
				token, _, err := a.person(cmd.Context(), phone, account.Role(role))
				if kind := fault.KindOf(err); err != nil && kind == fault.Invalid {
					return usageError{err}
				}
				if err == nil {
					fmt.Fprintln(cmd.OutOrStdout(), token)
				}
				return err
			})
		},
	}
	cmd.Flags().StringVar(&role, "role", "rider", "rider, driver or operator")
	cmd.Flags().StringVar(&phone, "phone", "", "phone number, +86…")
	return cmd
}

// rule is one thing that must hold in the database.
type rule struct {
	name  string
	check func(ctx context.Context) ([]string, error)
}

func (a *app) rules() []rule {
	queue := a.system.Client()
	rules := []rule{
		{"no seat oversold", a.trips.Oversold},
		{"plans can be driven as promised", a.trips.PlanOrder},
		{"plans and seats agree with orders", a.orders.SeatsAgree},
		{"no order with two holds", a.payments.DoubleHolds},
		{"no capture above its hold", a.payments.NoneAboveHold},
		{"every completed order captured exactly once", a.orders.ChargedOnce},
		{"every departed trip settled or in settlement", a.orders.TripsSettled},
		{"ledger sums to zero", a.payments.LedgerBalances},
		{"ledger agrees with payments", a.payments.LedgerAgrees},
		{"payments agree with orders", a.orders.PaymentsAgree},
		{"no money stuck", a.payments.MoneyStuck},
		{"ratings agree with rides", a.ratings.RatingsAgree},
		{"no rider told twice of one event", a.notices.ToldTwice},
		{"no flow stuck", queue.StuckFlows},
		{"batch counts agree with their jobs", queue.BatchCounts},
	}
	if a.settings.SandboxBook {
		rules = append(rules, rule{"the gateway's book agrees with payments and payouts", a.payments.GatewayAgrees})
	}
	return rules
}

func auditCommand() *cobra.Command {
	var settle time.Duration
	cmd := &cobra.Command{
		Use: "audit", Short: "Check the database against the rules; exit 1 where one is broken", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := settings(cmd)
			if err != nil {
				return err
			}
			return withApp(cmd.Context(), s, func(a *app) error {
				rules, err := a.audit(cmd.Context(), a.rules(), settle)
				printAudit(cmd.OutOrStdout(), rules)
				return cmp.Or(err, findings(rules))
			})
		},
	}
	cmd.Flags().DurationVar(&settle, "settle", 10*time.Second, "how long a broken rule is looked at again, since work under way may explain it")
	return cmd
}

// maxFindings is how many findings of a rule are printed.
const maxFindings = 10

// audit checks rules and returns what breaks each; those looked at so far
// when one cannot be checked.
func (a *app) audit(ctx context.Context, all []rule, settle time.Duration) (rules []sim.Rule, err error) {
	for _, r := range all {
		found, err := settled(ctx, r, settle)
		if err != nil {
			return rules, fmt.Errorf("audit: %s: %w", r.name, err)
		}
		rules = append(rules, sim.Rule{Name: r.name, Findings: append([]string{}, found...)})
	}
	return rules, nil
}

// printAudit prints a line for each rule and the first findings.
func printAudit(out io.Writer, rules []sim.Rule) {
	for _, r := range rules {
		if len(r.Findings) == 0 {
			fmt.Fprintf(out, "ok      %s\n", r.Name)
			continue
		}
		fmt.Fprintf(out, "BROKEN  %s: %d findings\n", r.Name, len(r.Findings))
		for _, line := range r.Findings[:min(len(r.Findings), maxFindings)] {
			fmt.Fprintf(out, "        %s\n", line)
		}
	}
}

// findings returns errFindings when a rule is broken.
func findings(rules []sim.Rule) error {
	if slices.ContainsFunc(rules, func(r sim.Rule) bool { return len(r.Findings) > 0 }) {
		return errFindings
	}
	return nil
}

// settled checks a rule until it holds or the time is over: its queries are not
// one snapshot, and what a cancel gives back is on its way for a moment.
func settled(ctx context.Context, r rule, within time.Duration) ([]string, error) {
	deadline := time.Now().Add(within)
	for {
		found, err := r.check(ctx)
		if err != nil || len(found) == 0 || time.Now().After(deadline) {
			return found, err
		}
		select {
		case <-ctx.Done():
			return found, ctx.Err()
		case <-time.After(500 * time.Millisecond):
		}
	}
}
