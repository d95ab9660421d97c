-- +goose Up
DROP INDEX jobs_by_flow /*! ON jobs */;

-- +goose Down
CREATE INDEX jobs_by_flow ON jobs (flow_id, branch, stage);
