-- +goose Up
CREATE INDEX orders_by_trip ON orders (trip_id);

-- +goose Down
DROP INDEX orders_by_trip /*! ON orders */;
