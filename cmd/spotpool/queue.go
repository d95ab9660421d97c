package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/spotpool/spotpool/internal/config"
)

// queueCommand is the operator's side of the queue. All of it works beside a
// running server, on the same database.
func queueCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "queue", Short: "Look at the queue and mend it: failed jobs, batches, flows, pauses", Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("there is no command %q of 'queue'", args[0])
			}
			return cmd.Help()
		},
	}
	cmd.AddCommand(
		failedCommand(), showCommand(), retryCommand(), forgetCommand(), flushCommand(), pruneFailedCommand(),
		batchesCommand(), pruneBatchesCommand(), flowsCommand(), flowCommand(), cancelCommand(),
		pauseCommand(), continueCommand(), restartCommand(), monitorCommand(),
	)
	return cmd
}

// operation is what a command of 'queue' does beside a running server.
type operation struct {
	*app
	ctx  context.Context
	out  io.Writer
	errs io.Writer
}

// operate returns a command that carries out fn. check refuses wrong arguments
// before anything is opened.
func operate(use, short string, check func(s config.Settings, args []string) error, fn func(o operation, args []string) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := settings(cmd)
			if err != nil {
				return err
			}
			if err := check(s, args); err != nil {
				return err
			}
			return withApp(cmd.Context(), s, func(a *app) error {
				return fn(operation{a, cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr()}, args)
			})
		},
	}
}

// nothing refuses arguments.
func nothing(_ config.Settings, args []string) error { return noArgs(nil, args) }

// oneQueue wants the name of a queue.
func oneQueue(s config.Settings, args []string) error {
	if len(args) != 1 {
		return usagef("name one queue: %s", strings.Join(s.QueueNames(), ", "))
	}
	return knownQueue(s, args[0])
}

func knownQueue(s config.Settings, name string) error {
	if name != "" && !slices.Contains(s.QueueNames(), name) {
		return usagef("there is no queue %q; those of --queues are %s", name, strings.Join(s.QueueNames(), ", "))
	}
	return nil
}

// idsOf reads ids, each once.
func idsOf(args []string) ([]uuid.UUID, error) {
	var ids []uuid.UUID
	for _, arg := range args {
		id, err := uuid.Parse(arg)
		if err != nil {
			return nil, usagef("%q is not an id", arg)
		}
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// someIDs wants at least one id, oneID exactly one.
func someIDs(_ config.Settings, args []string) error {
	if len(args) == 0 {
		return usagef("name the ids of the jobs; 'spotpool queue failed' lists them")
	}
	_, err := idsOf(args)
	return err
}

func oneID(s config.Settings, args []string) error {
	if len(args) > 1 {
		return noArgs(nil, args[1:])
	}
	if len(args) == 0 {
		return usagef("name the id")
	}
	return someIDs(s, args)
}

// hoursAgo returns the time that many hours ago.
func (o operation) hoursAgo(hours int) time.Time {
	return o.clock.Now().Add(-time.Duration(hours) * time.Hour)
}

// maxHours is how far back an age may reach: ten years.
const maxHours = 10 * 365 * 24

func goodHours(flag string, hours int) error {
	if hours < 0 || hours > maxHours {
		return usagef("--%s must be from 0 to %d", flag, maxHours)
	}
	return nil
}

// limitFlag adds the flag that bounds a listing.
func limitFlag(cmd *cobra.Command, limit *int) {
	cmd.Flags().IntVar(limit, "limit", 50, "how many to list, the youngest")
}

func goodLimit(limit int) error {
	if limit < 1 {
		return usagef("--limit must be at least 1")
	}
	return nil
}

func jsonFlag(cmd *cobra.Command, asJSON *bool) {
	cmd.Flags().BoolVar(asJSON, "json", false, "print JSON, as the HTTP API does")
}

// list prints rows as a table, or as the JSON array that the API would show.
func list[T, J any](out io.Writer, rows []T, asJSON bool, shown func(T) J, header string, cells func(T) []any) error {
	if asJSON {
		items := make([]J, len(rows))
		for i, r := range rows {
			items[i] = shown(r)
		}
		return printJSON(out, items)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, strings.ReplaceAll(header, " ", "\t"))
	for _, r := range rows {
		line := cells(r)
		texts := make([]string, len(line))
		for i, cell := range line {
			texts[i] = fmt.Sprint(cell)
		}
		fmt.Fprintln(w, strings.Join(texts, "\t"))
	}
	return w.Flush()
}

func printJSON(out io.Writer, v any) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// moment prints a time, "-" when there is none.
func moment(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}

// oneLine returns the beginning of a text's first line.
func oneLine(text string, most int) string {
	text, _, _ = strings.Cut(text, "\n")
	if r := []rune(text); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return text
}

// orDash prints "-" for what is empty.
func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
