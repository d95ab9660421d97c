package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/spotpool/spotpool/internal/config"
	"github.com/spotpool/spotpool/internal/httpapi"
	"github.com/spotpool/spotpool/internal/jobs"
)

func batchesCommand() *cobra.Command {
	var limit int
	var asJSON bool
	cmd := operate("batches", "List batches, the youngest first", func(s config.Settings, args []string) error {
		return cmp.Or(nothing(s, args), goodLimit(limit))
	}, func(o operation, _ []string) error {
		batches, err := o.system.Admin().Batches(o.ctx, uuid.Nil, limit)
		if err != nil {
			return err
		}
		return list(o.out, batches, asJSON, httpapi.QueueBatchOf, "ID FLOW TOTAL DONE PENDING FAILED SKIPPED ENDED BEGAN FINISHED", func(b jobs.BatchView) []any {
			return []any{b.ID, b.FlowID, b.Total, b.Done(), b.Pending, b.Failed, b.Skipped, fmt.Sprintf("%d%%", b.Percent()), moment(&b.CreatedAt), moment(b.FinishedAt)}
		})
	})
	limitFlag(cmd, &limit)
	jsonFlag(cmd, &asJSON)
	return cmd
}

func pruneBatchesCommand() *cobra.Command {
	var hours, unfinished int
	cmd := operate("prune-batches", "Delete flows that hold batches and have ended long ago", func(s config.Settings, args []string) error {
		return cmp.Or(nothing(s, args), goodHours("hours", hours), goodHours("unfinished", unfinished))
	}, func(o operation, _ []string) error {
		var began time.Time
		if unfinished > 0 {
			began = o.hoursAgo(unfinished)
		}
		n, err := o.system.Admin().PruneBatches(o.ctx, o.hoursAgo(hours), began)
		if err == nil {
			fmt.Fprintf(o.out, "deleted %d flows with their batches\n", n)
		}
		return err
	})
	cmd.Flags().IntVar(&hours, "hours", 24, "those that ended so many hours ago or earlier")
	cmd.Flags().IntVar(&unfinished, "unfinished", 0, "also those that began so many hours ago or earlier and have not ended; 0: none")
	return cmd
}

func flowsCommand() *cobra.Command {
	var filter jobs.FlowFilter
	var subject string
	var asJSON bool
	cmd := operate("flows", "List flows, the youngest first, without those that are nested in them", func(s config.Settings, args []string) (err error) {
		if filter.State != "" && !slices.Contains(jobs.FlowStates(), filter.State) {
			return usagef("--state is one of %s", strings.Join(jobs.FlowStates(), ", "))
		}
		if subject != "" {
			if filter.Subject, err = uuid.Parse(subject); err != nil {
				return usagef("--subject %q is not an id", subject)
			}
		}
		return cmp.Or(nothing(s, args), goodLimit(filter.Limit))
	}, func(o operation, _ []string) error {
		flows, err := o.system.Admin().Flows(o.ctx, filter)
		if err != nil {
			return err
		}
		return list(o.out, flows, asJSON, httpapi.QueueFlowOf, "ID STATE CAUSE SUBJECT BEGAN ENDED FLOW", func(f jobs.FlowView) []any {
			return []any{f.ID, f.State, orDash(f.Cause), f.Subject.Kind + ":" + f.Subject.ID.String(), moment(&f.CreatedAt), moment(f.FinishedAt), f.Text}
		})
	})
	cmd.Flags().StringVar(&filter.State, "state", "", strings.Join(jobs.FlowStates(), ", "))
	cmd.Flags().StringVar(&subject, "subject", "", "id of the order or trip that they belong to")
	limitFlag(cmd, &filter.Limit)
	jsonFlag(cmd, &asJSON)
	return cmd
}

func cancelCommand() *cobra.Command {
	return operate("cancel FLOW-ID", "Cancel a flow: what has not begun is skipped, what was done is undone", oneID,
		func(o operation, args []string) error {
			id := uuid.MustParse(args[0])
			stopped, err := o.system.Admin().CancelFlow(o.ctx, id)
			if err != nil {
				return err
			}
			if stopped {
				fmt.Fprintf(o.out, "flow %s stops\n", id)
				return nil
			}
			flow, ok, err := o.system.Client().Flow(o.ctx, id)
			if err == nil && !ok {
				err = noFlow(id)
			}
			if err == nil {
				err = fmt.Errorf("flow %s is %s: there is nothing to cancel", id, flow.State)
			}
			return err
		})
}
