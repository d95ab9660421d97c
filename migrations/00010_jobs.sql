-- +goose Up
CREATE TABLE jobs (
  id CHAR(36) /*! CHARACTER SET ascii COLLATE ascii_bin */ NOT NULL PRIMARY KEY,
  flow_id CHAR(36) /*! CHARACTER SET ascii COLLATE ascii_bin */ NULL,
  batch_id CHAR(36) /*! CHARACTER SET ascii COLLATE ascii_bin */ NULL,
  branch VARCHAR(10) NOT NULL,
  stage INT NOT NULL,
  position INT NOT NULL,
  kind VARCHAR(64) NOT NULL,
  queue VARCHAR(32) NOT NULL,
  args TEXT NOT NULL,
  sealed BOOLEAN NOT NULL,
  state VARCHAR(10) NOT NULL,
  attempts INT NOT NULL,
  generation INT NOT NULL,
  wakes INT NOT NULL,
  delay_ms BIGINT NOT NULL,
  due_at DATETIME /*!(6)*/ NULL,
  last_error TEXT NOT NULL,
  created_at DATETIME /*!(6)*/ NOT NULL,
  finished_at DATETIME /*!(6)*/ NULL
) /*! ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin */;

-- +goose Down
DROP TABLE jobs;
