-- +goose Up
ALTER TABLE payments ADD COLUMN customer VARCHAR(100) NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE payments DROP COLUMN customer;
