-- +goose Up
ALTER TABLE payments ADD COLUMN void_failed_at DATETIME /*!(6)*/ NULL;

-- +goose Down
ALTER TABLE payments DROP COLUMN void_failed_at;
