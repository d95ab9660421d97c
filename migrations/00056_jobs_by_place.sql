-- +goose Up
CREATE INDEX jobs_by_place ON jobs (flow_id, branch, stage, position);

-- +goose Down
DROP INDEX jobs_by_place /*! ON jobs */;
