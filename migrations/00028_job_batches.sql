-- +goose Up
CREATE TABLE job_batches (
  id CHAR(36) /*! CHARACTER SET ascii COLLATE ascii_bin */ NOT NULL PRIMARY KEY,
  flow_id CHAR(36) /*! CHARACTER SET ascii COLLATE ascii_bin */ NOT NULL,
  branch VARCHAR(10) NOT NULL,
  stage INT NOT NULL,
  total INT NOT NULL,
  pending INT NOT NULL,
  failed INT NOT NULL,
  skipped INT NOT NULL,
  allow_failures BOOLEAN NOT NULL,
  callbacks TEXT NOT NULL,
  caught BOOLEAN NOT NULL,
  created_at DATETIME /*!(6)*/ NOT NULL,
  finished_at DATETIME /*!(6)*/ NULL
) /*! ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin */;

-- +goose Down
DROP TABLE job_batches;
