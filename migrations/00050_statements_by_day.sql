-- +goose Up
CREATE INDEX statements_by_day ON statements (day);

-- +goose Down
DROP INDEX statements_by_day /*! ON statements */;
