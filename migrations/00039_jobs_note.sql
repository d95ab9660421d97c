-- +goose Up
ALTER TABLE jobs ADD COLUMN note VARCHAR(255) NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE jobs DROP COLUMN note;
