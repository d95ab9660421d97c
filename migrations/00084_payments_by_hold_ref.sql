-- +goose Up
CREATE INDEX payments_by_hold_ref ON payments (hold_ref);

-- +goose Down
DROP INDEX payments_by_hold_ref /*! ON payments */;
