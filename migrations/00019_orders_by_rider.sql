-- +goose Up
CREATE INDEX orders_by_rider ON orders (rider_id, id);

-- +goose Down
DROP INDEX orders_by_rider /*! ON orders */;
