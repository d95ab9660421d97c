-- +goose Up
ALTER TABLE orders ADD COLUMN cancel_fee BIGINT NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE orders DROP COLUMN cancel_fee;
