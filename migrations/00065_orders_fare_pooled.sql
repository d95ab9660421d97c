-- +goose Up
ALTER TABLE orders ADD COLUMN fare_pooled BIGINT NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE orders DROP COLUMN fare_pooled;
