-- +goose Up
CREATE INDEX jobs_due ON jobs (queue, due_at);

-- +goose Down
DROP INDEX jobs_due /*! ON jobs */;
