-- +goose Up
CREATE TABLE queue_signals (
  name VARCHAR(64) NOT NULL PRIMARY KEY,
  given_at DATETIME /*!(6)*/ NOT NULL
) /*! ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin */;

-- +goose Down
DROP TABLE queue_signals;
