-- +goose Up
DROP INDEX flows_by_age /*! ON flows */;

-- +goose Down
CREATE INDEX flows_by_age ON flows (finished_at);
