-- +goose Up
ALTER TABLE jobs ADD COLUMN tags VARCHAR(255) NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE jobs DROP COLUMN tags;
