-- +goose Up
ALTER TABLE jobs ADD COLUMN unique_key VARCHAR(255) NULL;

-- +goose Down
ALTER TABLE jobs DROP COLUMN unique_key;
