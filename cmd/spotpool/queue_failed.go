package main

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/spotpool/spotpool/internal/config"
	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/httpapi"
	"github.com/spotpool/spotpool/internal/jobs"
)

// filterFlags adds the flags that narrow the failed jobs.
func filterFlags(cmd *cobra.Command, f *jobs.FailedFilter) {
	cmd.Flags().StringVar(&f.Queue, "queue", "", "those of a queue")
	cmd.Flags().StringVar(&f.Kind, "kind", "", "those of a kind, such as pay:hold")
	cmd.Flags().StringVar(&f.Tag, "tag", "", "those with a tag")
}

func failedCommand() *cobra.Command {
	var filter jobs.FailedFilter
	var asJSON bool
	cmd := operate("failed", "List failed jobs, the youngest first", func(s config.Settings, args []string) error {
		return cmp.Or(nothing(s, args), knownQueue(s, filter.Queue), goodLimit(filter.Limit))
	}, func(o operation, _ []string) error {
		failed, err := o.system.Admin().Failed(o.ctx, filter)
		if err != nil {
			return err
		}
		return list(o.out, failed, asJSON, httpapi.FailedJobOf, "ID KIND QUEUE FAILED TIMES ATTEMPTS TAGS ERROR", func(j jobs.FailedJob) []any {
			return []any{j.ID, j.Kind, j.Queue, moment(&j.FailedAt), j.Times, j.Attempts, orDash(strings.Join(j.Tags, " ")), oneLine(j.Error, 80)}
		})
	})
	filterFlags(cmd, &filter)
	limitFlag(cmd, &filter.Limit)
	jsonFlag(cmd, &asJSON)
	return cmd
}

func showCommand() *cobra.Command {
	var asJSON bool
	cmd := operate("show ID", "Show a failed job with its arguments, error and stack", oneID, func(o operation, args []string) error {
		id := uuid.MustParse(args[0])
		j, err := o.system.Admin().FailedJob(o.ctx, id)
		if errors.Is(err, db.ErrNotFound) {
			return notFailed(id)
		}
		if err != nil {
			return err
		}
		if asJSON {
			return printJSON(o.out, httpapi.FailedJobInFull(j))
		}
		return o.show(j)
	})
	jsonFlag(cmd, &asJSON)
	return cmd
}

// notFailed says that an id names no failed job.
func notFailed(id uuid.UUID) error { return fmt.Errorf("job %s is not among the failed ones", id) }

func (o operation) show(j jobs.FailedJob) error {
	flow, args := "-", string(j.Args)
	if j.Flow.Valid {
		flow = j.Flow.UUID.String()
	}
	if j.Sealed {
		args = "•••• (encrypted)"
	}
	_, err := fmt.Fprintf(o.out, `id        %s
kind      %s
queue     %s
flow      %s
tags      %s
failed    %s
attempts  %d
times     %d
args      %s

%s

%s
`, j.ID, j.Kind, j.Queue, flow, orDash(strings.Join(j.Tags, " ")), moment(&j.FailedAt), j.Attempts, j.Times, args, j.Error, j.Stack)
	return err
}

// everyFailed stands for the ids of all failed jobs.
const everyFailed = "all"

func retryCommand() *cobra.Command {
	var filter jobs.FailedFilter
	narrowed := func() bool { return filter.Queue+filter.Kind+filter.Tag != "" }
	cmd := operate("retry [ID…|all]", "Take failed jobs up again, with fresh attempts", func(s config.Settings, args []string) error {
		switch {
		case len(args) == 0 && !narrowed():
			return usagef("name the ids of failed jobs, or 'all', or some by --queue, --kind and --tag")
		case len(args) == 0 || len(args) == 1 && args[0] == everyFailed:
			return knownQueue(s, filter.Queue)
		case narrowed():
			return usagef("--queue, --kind and --tag narrow 'all', not ids")
		}
		return someIDs(s, args)
	}, func(o operation, args []string) error {
		if len(args) > 0 && args[0] != everyFailed {
			return o.retry(args)
		}
		retried, refused, err := o.system.Admin().RetryAll(o.ctx, filter)
		fmt.Fprintf(o.out, "retried %d, refused %d\n", retried, refused)
		return err
	})
	filterFlags(cmd, &filter)
	return cmd
}

// retry takes up the jobs named, each by itself.
func (o operation) retry(args []string) error {
	ids, err := idsOf(args)
	if err != nil {
		return err
	}
	var refused []string
	for _, id := range ids {
		switch err := o.system.Admin().Retry(o.ctx, id); {
		case err == nil:
		case errors.Is(err, db.ErrNotFound):
			refused = append(refused, notFailed(id).Error())
		case errors.Is(err, jobs.ErrFlowBusy), errors.Is(err, jobs.ErrFlowOver), errors.Is(err, jobs.ErrNotFailed):
			refused = append(refused, fmt.Sprintf("job %s: %v", id, err))
		default:
			return err
		}
	}
	fmt.Fprintf(o.out, "retried %d, refused %d\n", len(ids)-len(refused), len(refused))
	if len(refused) > 0 {
		return errors.New(strings.Join(refused, "; "))
	}
	return nil
}

func forgetCommand() *cobra.Command {
	return operate("forget ID…", "Delete the records of failed jobs", someIDs, func(o operation, args []string) error {
		ids, err := idsOf(args)
		if err != nil {
			return err
		}
		n, err := o.system.Admin().Forget(o.ctx, ids...)
		if err != nil {
			return err
		}
		fmt.Fprintf(o.out, "forgot %d\n", n)
		if n < len(ids) {
			return fmt.Errorf("%d of %d ids are not among the failed jobs", len(ids)-n, len(ids))
		}
		return nil
	})
}

func flushCommand() *cobra.Command {
	return deleteFailed("flush", "Delete the records of all failed jobs, or of those of an age", 0, "only those that failed so many hours ago or earlier; 0: all")
}

func pruneFailedCommand() *cobra.Command {
	return deleteFailed("prune-failed", "Delete the records of old failed jobs", 24, "those that failed so many hours ago or earlier")
}

func deleteFailed(use, short string, usual int, help string) *cobra.Command {
	var hours int
	cmd := operate(use, short, func(s config.Settings, args []string) error {
		return cmp.Or(nothing(s, args), goodHours("hours", hours))
	}, func(o operation, _ []string) error {
		n, err := o.system.Admin().Flush(o.ctx, o.hoursAgo(hours))
		if err == nil {
			fmt.Fprintf(o.out, "forgot %d\n", n)
		}
		return err
	})
	cmd.Flags().IntVar(&hours, "hours", usual, help)
	return cmd
}
