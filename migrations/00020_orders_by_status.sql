-- +goose Up
CREATE INDEX orders_by_status ON orders (status, match_until);

-- +goose Down
DROP INDEX orders_by_status /*! ON orders */;
