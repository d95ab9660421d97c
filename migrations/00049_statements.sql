-- +goose Up
CREATE TABLE statements (
  driver_id CHAR(36) /*! CHARACTER SET ascii COLLATE ascii_bin */ NOT NULL,
  day CHAR(10) NOT NULL,
  trips INT NOT NULL,
  rides INT NOT NULL,
  total BIGINT NOT NULL,
  created_at DATETIME /*!(6)*/ NOT NULL,
  PRIMARY KEY (driver_id, day)
) /*! ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin */;

-- +goose Down
DROP TABLE statements;
