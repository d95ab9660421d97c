-- +goose Up
ALTER TABLE payments ADD COLUMN owed_at DATETIME /*!(6)*/ NULL;

-- +goose Down
ALTER TABLE payments DROP COLUMN owed_at;
