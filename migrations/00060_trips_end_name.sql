-- +goose Up
ALTER TABLE trips ADD COLUMN end_name VARCHAR(200) NULL;

-- +goose Down
ALTER TABLE trips DROP COLUMN end_name;
