-- +goose Up
ALTER TABLE broadcasts ADD COLUMN pages_expected INT NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE broadcasts DROP COLUMN pages_expected;
