-- +goose Up
ALTER TABLE payments ADD COLUMN contested_at DATETIME /*!(6)*/ NULL;

-- +goose Down
ALTER TABLE payments DROP COLUMN contested_at;
