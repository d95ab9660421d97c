-- +goose Up
CREATE INDEX webhook_events_by_age ON webhook_events (received_at);

-- +goose Down
DROP INDEX webhook_events_by_age /*! ON webhook_events */;
