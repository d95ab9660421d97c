-- +goose Up
ALTER TABLE trips ADD COLUMN end_lng DOUBLE NULL;

-- +goose Down
ALTER TABLE trips DROP COLUMN end_lng;
