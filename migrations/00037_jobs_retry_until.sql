-- +goose Up
ALTER TABLE jobs ADD COLUMN retry_until DATETIME /*!(6)*/ NULL;

-- +goose Down
ALTER TABLE jobs DROP COLUMN retry_until;
