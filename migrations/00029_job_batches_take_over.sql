-- +goose Up
INSERT INTO job_batches (id, flow_id, branch, stage, total, pending, failed, skipped, allow_failures, callbacks, caught, created_at, finished_at)
  SELECT b.id, b.flow_id, MIN(j.branch), MIN(j.stage), b.total, b.pending, b.failed,
    SUM(CASE WHEN j.state = 'skipped' THEN 1 ELSE 0 END), b.allow_failures, '', b.failed > 0, MIN(j.created_at), f.finished_at
  FROM batches b JOIN jobs j ON j.batch_id = b.id JOIN flows f ON f.id = b.flow_id
  GROUP BY b.id, b.flow_id, b.total, b.pending, b.failed, b.allow_failures, f.finished_at;

-- +goose Down
DELETE FROM job_batches;
