-- +goose Up
CREATE INDEX batches_by_flow ON batches (flow_id);

-- +goose Down
DROP INDEX batches_by_flow /*! ON batches */;
