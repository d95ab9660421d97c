-- +goose Up
CREATE INDEX notices_by_user ON notices (user_id, id);

-- +goose Down
DROP INDEX notices_by_user /*! ON notices */;
