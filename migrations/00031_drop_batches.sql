-- +goose Up
DROP TABLE batches;

-- +goose Down
CREATE TABLE batches (
  id CHAR(36) /*! CHARACTER SET ascii COLLATE ascii_bin */ NOT NULL PRIMARY KEY,
  flow_id CHAR(36) /*! CHARACTER SET ascii COLLATE ascii_bin */ NOT NULL,
  total INT NOT NULL,
  pending INT NOT NULL,
  failed INT NOT NULL,
  allow_failures BOOLEAN NOT NULL
) /*! ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin */;
