-- +goose Up
CREATE INDEX jobs_by_flow ON jobs (flow_id, branch, stage);

-- +goose Down
DROP INDEX jobs_by_flow /*! ON jobs */;
