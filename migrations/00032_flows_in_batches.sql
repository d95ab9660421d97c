-- +goose Up
ALTER TABLE flows ADD COLUMN batch_id CHAR(36) /*! CHARACTER SET ascii COLLATE ascii_bin */ NULL;

-- +goose Down
ALTER TABLE flows DROP COLUMN batch_id;
