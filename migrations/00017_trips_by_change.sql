-- +goose Up
CREATE INDEX trips_by_change ON trips (changed_at, id, version);

-- +goose Down
DROP INDEX trips_by_change /*! ON trips */;
