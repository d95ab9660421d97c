-- +goose Up
UPDATE notices SET order_id = about_id;

-- +goose Down
UPDATE notices SET order_id = NULL;
