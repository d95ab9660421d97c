-- +goose Up
ALTER TABLE trips ADD COLUMN end_lat DOUBLE NULL;

-- +goose Down
ALTER TABLE trips DROP COLUMN end_lat;
