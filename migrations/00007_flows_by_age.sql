-- +goose Up
CREATE INDEX flows_by_age ON flows (finished_at);

-- +goose Down
DROP INDEX flows_by_age /*! ON flows */;
