-- +goose Up
ALTER TABLE trips DROP COLUMN dest_lng;

-- +goose Down
ALTER TABLE trips ADD COLUMN dest_lng DOUBLE NOT NULL DEFAULT 0;
