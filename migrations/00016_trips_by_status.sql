-- +goose Up
CREATE INDEX trips_by_status ON trips (status, depart_at);

-- +goose Down
DROP INDEX trips_by_status /*! ON trips */;
