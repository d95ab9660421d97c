-- +goose Up
ALTER TABLE payments ADD COLUMN closed_at DATETIME /*!(6)*/ NULL;

-- +goose Down
ALTER TABLE payments DROP COLUMN closed_at;
