-- +goose Up
ALTER TABLE notices ADD COLUMN sms VARCHAR(16) NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE notices DROP COLUMN sms;
