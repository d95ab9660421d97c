package jobs

import (
	"context"
	"fmt"

	"github.com/google/uuid"
)

// StuckFlows returns a line for each unfinished flow that no job can move on.
func (c *Client) StuckFlows(ctx context.Context) (lines []string, err error) {
	var ids []uuid.UUID
	err = c.core.db.Read(ctx).Raw(`SELECT f.id FROM flows f WHERE f.state IN ('running', 'stopping', 'catching')
		AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.flow_id = f.id AND j.state = 'ready')
		AND NOT EXISTS (SELECT 1 FROM job_batches b JOIN flows n ON n.batch_id = b.id
			WHERE b.flow_id = f.id AND n.state IN ('running', 'stopping', 'catching'))`).Scan(&ids).Error
	for _, id := range ids {
		lines = append(lines, fmt.Sprintf("flow %s is unfinished and has no job that could run", id))
	}
	return lines, err
}

// BatchCounts returns a line for each batch whose counts disagree with its jobs.
func (c *Client) BatchCounts(ctx context.Context) (lines []string, err error) {
	var rows []struct {
		ID                              uuid.UUID
		Total, Pending, Failed, Skipped int
		OfAll, OfPending, OfFailed      int
	}
	err = c.core.db.Read(ctx).Raw(`SELECT * FROM (
		SELECT b.id, b.total, b.pending, b.failed, b.skipped, COUNT(m.state) AS of_all,
			COALESCE(SUM(CASE WHEN m.state IN ('waiting', 'ready', 'running', 'stopping', 'catching') THEN 1 ELSE 0 END), 0) AS of_pending,
			COALESCE(SUM(CASE WHEN m.state = 'failed' THEN 1 ELSE 0 END), 0) AS of_failed
		FROM job_batches b LEFT JOIN (
			SELECT batch_id, state FROM jobs WHERE batch_id IS NOT NULL AND branch <> 'callback'
			UNION ALL SELECT batch_id, CASE WHEN finished_at IS NULL THEN state ELSE verdict END FROM flows WHERE batch_id IS NOT NULL
		) m ON m.batch_id = b.id GROUP BY b.id, b.total, b.pending, b.failed, b.skipped) counted
		WHERE of_all <> total OR of_pending <> pending OR of_failed <> failed OR skipped < 0 OR pending + failed + skipped > total`).
		Scan(&rows).Error
	for _, r := range rows {
		lines = append(lines, fmt.Sprintf("batch %s says %d members, %d pending, %d failed, %d skipped; they say %d, %d, %d",
			r.ID, r.Total, r.Pending, r.Failed, r.Skipped, r.OfAll, r.OfPending, r.OfFailed))
	}
	return lines, err
}
