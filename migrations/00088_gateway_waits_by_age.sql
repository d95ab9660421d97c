-- +goose Up
CREATE INDEX gateway_waits_by_age ON gateway_waits (since);

-- +goose Down
DROP INDEX gateway_waits_by_age /*! ON gateway_waits */;
