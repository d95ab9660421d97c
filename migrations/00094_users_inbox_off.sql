-- +goose Up
ALTER TABLE users ADD COLUMN inbox_off BOOLEAN NOT NULL DEFAULT FALSE;

-- +goose Down
ALTER TABLE users DROP COLUMN inbox_off;
