-- +goose Up
ALTER TABLE payments ADD COLUMN charged BIGINT NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE payments DROP COLUMN charged;
