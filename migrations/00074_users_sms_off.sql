-- +goose Up
ALTER TABLE users ADD COLUMN sms_off BOOLEAN NOT NULL DEFAULT FALSE;

-- +goose Down
ALTER TABLE users DROP COLUMN sms_off;
