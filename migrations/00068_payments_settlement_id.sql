-- +goose Up
ALTER TABLE payments ADD COLUMN settlement_id CHAR(36) /*! CHARACTER SET ascii COLLATE ascii_bin */ NULL;

-- +goose Down
ALTER TABLE payments DROP COLUMN settlement_id;
