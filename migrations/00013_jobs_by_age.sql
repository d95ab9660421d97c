-- +goose Up
CREATE INDEX jobs_by_age ON jobs (finished_at);

-- +goose Down
DROP INDEX jobs_by_age /*! ON jobs */;
