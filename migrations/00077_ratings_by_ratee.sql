-- +goose Up
CREATE INDEX ratings_by_ratee ON ratings (ratee_id, counts_at, stars);

-- +goose Down
DROP INDEX ratings_by_ratee /*! ON ratings */;
