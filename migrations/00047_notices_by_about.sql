-- +goose Up
CREATE INDEX notices_by_about ON notices (about_id, event);

-- +goose Down
DROP INDEX notices_by_about /*! ON notices */;
