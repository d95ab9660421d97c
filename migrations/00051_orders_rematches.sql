-- +goose Up
ALTER TABLE orders ADD COLUMN rematches INT NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE orders DROP COLUMN rematches;
