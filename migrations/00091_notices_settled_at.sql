-- +goose Up
ALTER TABLE notices ADD COLUMN settled_at DATETIME /*!(6)*/ NULL;

-- +goose Down
ALTER TABLE notices DROP COLUMN settled_at;
