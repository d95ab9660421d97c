-- +goose Up
ALTER TABLE notices ADD COLUMN hidden BOOLEAN NOT NULL DEFAULT FALSE;

-- +goose Down
ALTER TABLE notices DROP COLUMN hidden;
