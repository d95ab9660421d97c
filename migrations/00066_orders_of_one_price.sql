-- +goose Up
-- Orders of before were quoted one price.
UPDATE orders SET fare_pooled = fare;

-- +goose Down
UPDATE orders SET fare_pooled = 0;
