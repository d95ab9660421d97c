-- +goose Up
ALTER TABLE notices RENAME COLUMN order_id TO about_id;

-- +goose Down
ALTER TABLE notices RENAME COLUMN about_id TO order_id;
