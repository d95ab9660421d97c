package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/spotpool/spotpool/internal/httpapi"
	"github.com/spotpool/spotpool/internal/jobs"
)

func flowCommand() *cobra.Command {
	var asJSON bool
	cmd := operate("flow FLOW-ID", "Show a flow with its stages, their jobs and errors, and the flows nested in it", oneID,
		func(o operation, args []string) error {
			id := uuid.MustParse(args[0])
			v, ok, err := o.system.Client().Flow(o.ctx, id)
			if err == nil && !ok {
				err = noFlow(id)
			}
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(o.out, httpapi.QueueFlowOf(v))
			}
			return printFlow(o.out, v)
		})
	jsonFlag(cmd, &asJSON)
	return cmd
}

func noFlow(id uuid.UUID) error { return fmt.Errorf("there is no flow %s", id) }

func printFlow(out io.Writer, v jobs.FlowView) error {
	around := "-"
	if v.Around.Valid {
		around = "flow " + v.Around.UUID.String()
	}
	_, err := fmt.Fprintf(out, `id         %s
flow       %s
subject    %s:%s
nested in  %s
state      %s
cause      %s
began      %s
ended      %s

%s`, v.ID, v.Text, v.Subject.Kind, v.Subject.ID, around, v.State, orDash(v.Cause), moment(&v.CreatedAt), moment(v.FinishedAt), stages(v, ""))
	return err
}

// stages returns a line for each stage and, indented below it, for each of its
// jobs and of the flows nested in it.
func stages(v jobs.FlowView, indent string) string {
	var b strings.Builder
	numbers := map[string]int{}
	for _, s := range v.Stages {
		numbers[s.Branch]++
		fmt.Fprintf(&b, "%s%s %d  %s%s\n", indent, s.Branch, numbers[s.Branch], s.State, counts(s.Batch))
		for _, j := range s.Jobs {
			fmt.Fprintf(&b, "%s  job %s  %s  %s%s\n", indent, j.ID, j.Kind, j.State, remarks(j))
		}
		for _, f := range s.Flows {
			fmt.Fprintf(&b, "%s  flow %s  %s  %s\n", indent, f.ID, f.State, oneLine(f.Text, 80))
			b.WriteString(stages(f, indent+"    "))
		}
	}
	return b.String()
}

func counts(b *jobs.BatchView) string {
	if b == nil {
		return ""
	}
	return fmt.Sprintf("  batch %s: %d members, %d done, %d pending, %d failed, %d skipped", b.ID, b.Total, b.Done(), b.Pending, b.Failed, b.Skipped)
}

// remarks says what else there is to say of a job.
func remarks(j jobs.JobView) string {
	var text string
	if j.Attempts > 0 {
		text += fmt.Sprintf("  attempts failed: %d", j.Attempts)
	}
	if j.DueAt != nil {
		text += "  due " + moment(j.DueAt)
	}
	for _, words := range []string{j.Note, j.LastError} {
		if words != "" {
			text += "  " + oneLine(words, 120)
		}
	}
	return text
}
