-- +goose Up
ALTER TABLE users ADD COLUMN lang VARCHAR(2) NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE users DROP COLUMN lang;
