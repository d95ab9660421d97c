-- +goose Up
CREATE INDEX flows_by_batch ON flows (batch_id);

-- +goose Down
DROP INDEX flows_by_batch /*! ON flows */;
