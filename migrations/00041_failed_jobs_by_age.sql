-- +goose Up
CREATE INDEX failed_jobs_by_age ON failed_jobs (failed_at, job_id);

-- +goose Down
DROP INDEX failed_jobs_by_age /*! ON failed_jobs */;
