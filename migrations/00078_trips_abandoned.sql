-- +goose Up
ALTER TABLE trips ADD COLUMN abandoned BOOLEAN NOT NULL DEFAULT FALSE;

-- +goose Down
ALTER TABLE trips DROP COLUMN abandoned;
