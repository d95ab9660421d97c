-- +goose Up
CREATE INDEX job_batches_by_flow ON job_batches (flow_id, branch, stage);

-- +goose Down
DROP INDEX job_batches_by_flow /*! ON job_batches */;
