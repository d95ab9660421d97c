-- +goose Up
CREATE INDEX notices_by_trip ON notices (trip_id);

-- +goose Down
DROP INDEX notices_by_trip /*! ON notices */;
