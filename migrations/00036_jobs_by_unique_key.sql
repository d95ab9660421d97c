-- +goose Up
CREATE UNIQUE INDEX jobs_by_unique_key ON jobs (unique_key);

-- +goose Down
DROP INDEX jobs_by_unique_key /*! ON jobs */;
