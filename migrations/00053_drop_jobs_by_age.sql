-- +goose Up
DROP INDEX jobs_by_age /*! ON jobs */;

-- +goose Down
CREATE INDEX jobs_by_age ON jobs (finished_at);
