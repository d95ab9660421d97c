-- +goose Up
ALTER TABLE notices ADD COLUMN order_id CHAR(36) /*! CHARACTER SET ascii COLLATE ascii_bin */ NULL;

-- +goose Down
ALTER TABLE notices DROP COLUMN order_id;
