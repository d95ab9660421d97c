-- +goose Up
CREATE TABLE sandbox_book (
  op VARCHAR(8) NOT NULL,
  name VARCHAR(64) NOT NULL,
  hold VARCHAR(64) NOT NULL,
  amount BIGINT NOT NULL,
  calls INT NOT NULL,
  created_at DATETIME /*!(6)*/ NOT NULL,
  PRIMARY KEY (op, name)
) /*! ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin */;

-- +goose Down
DROP TABLE sandbox_book;
