package jobs

import (
	"context"
	"fmt"

	"github.com/google/uuid"
)

// StuckFlows returns a line for each unfinished flow that no job can move on.
func (c *Client) StuckFlows(ctx context.Context) (lines []string, err error) {
	var ids []uuid.UUID
	err = c.core.db.Read(ctx).Raw(`SELECT f.id FROM flows f WHERE f.finished_at IS NULL
		AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.flow_id = f.id AND j.state = 'ready')`).Scan(&ids).Error
	for _, id := range ids {
		lines = append(lines, fmt.Sprintf("flow %s is unfinished and has no job that could run", id))
	}
	return lines, err
}

// BatchCounts returns a line for each batch whose counts disagree with its jobs.
func (c *Client) BatchCounts(ctx context.Context) (lines []string, err error) {
	var rows []struct {
		ID                                 uuid.UUID
		Total, Pending, Failed             int
		JobsTotal, JobsPending, JobsFailed int
	}
	err = c.core.db.Read(ctx).Raw(`SELECT * FROM (
		SELECT b.*, COUNT(j.id) AS jobs_total,
			COALESCE(SUM(CASE WHEN j.state IN ('waiting', 'ready') THEN 1 ELSE 0 END), 0) AS jobs_pending,
			COALESCE(SUM(CASE WHEN j.state = 'failed' THEN 1 ELSE 0 END), 0) AS jobs_failed
		FROM batches b LEFT JOIN jobs j ON j.flow_id = b.flow_id AND j.batch_id = b.id GROUP BY b.id) AS counted
		WHERE jobs_total <> total OR jobs_pending <> pending OR jobs_failed <> failed`).Scan(&rows).Error
	for _, r := range rows {
		lines = append(lines, fmt.Sprintf("batch %s says %d jobs, %d pending, %d failed; its jobs say %d, %d, %d",
			r.ID, r.Total, r.Pending, r.Failed, r.JobsTotal, r.JobsPending, r.JobsFailed))
	}
	return lines, err
}
