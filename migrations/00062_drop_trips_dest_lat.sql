-- +goose Up
ALTER TABLE trips DROP COLUMN dest_lat;

-- +goose Down
ALTER TABLE trips ADD COLUMN dest_lat DOUBLE NOT NULL DEFAULT 0;
