-- +goose Up
ALTER TABLE trips DROP COLUMN dest_name;

-- +goose Down
ALTER TABLE trips ADD COLUMN dest_name VARCHAR(200) NOT NULL DEFAULT '';
