-- +goose Up
CREATE INDEX settlements_by_driver ON settlements (driver_id, day);

-- +goose Down
DROP INDEX settlements_by_driver /*! ON settlements */;
