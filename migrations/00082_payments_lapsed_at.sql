-- +goose Up
ALTER TABLE payments ADD COLUMN lapsed_at DATETIME /*!(6)*/ NULL;

-- +goose Down
ALTER TABLE payments DROP COLUMN lapsed_at;
