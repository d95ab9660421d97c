-- +goose Up
CREATE INDEX trips_by_driver ON trips (driver_id, id);

-- +goose Down
DROP INDEX trips_by_driver /*! ON trips */;
