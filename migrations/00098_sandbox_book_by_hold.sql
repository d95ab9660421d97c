-- +goose Up
CREATE INDEX sandbox_book_by_hold ON sandbox_book (hold);

-- +goose Down
DROP INDEX sandbox_book_by_hold /*! ON sandbox_book */;
