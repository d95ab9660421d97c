-- +goose Up
ALTER TABLE notices ADD COLUMN trip_id CHAR(36) /*! CHARACTER SET ascii COLLATE ascii_bin */ NULL;

-- +goose Down
ALTER TABLE notices DROP COLUMN trip_id;
