-- +goose Up
CREATE INDEX payments_by_settlement ON payments (settlement_id);

-- +goose Down
DROP INDEX payments_by_settlement /*! ON payments */;
