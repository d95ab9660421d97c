-- +goose Up
CREATE TABLE failed_jobs (
  job_id CHAR(36) /*! CHARACTER SET ascii COLLATE ascii_bin */ NOT NULL PRIMARY KEY,
  flow_id CHAR(36) /*! CHARACTER SET ascii COLLATE ascii_bin */ NULL,
  kind VARCHAR(64) NOT NULL,
  queue VARCHAR(32) NOT NULL,
  args TEXT NOT NULL,
  sealed BOOLEAN NOT NULL,
  tags VARCHAR(255) NOT NULL,
  error TEXT NOT NULL,
  stack TEXT NOT NULL,
  attempts INT NOT NULL,
  times INT NOT NULL,
  failed_at DATETIME /*!(6)*/ NOT NULL,
  retried_at DATETIME /*!(6)*/ NULL
) /*! ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin */;

-- +goose Down
DROP TABLE failed_jobs;
