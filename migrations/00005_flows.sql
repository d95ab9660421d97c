-- +goose Up
CREATE TABLE flows (
  id CHAR(36) /*! CHARACTER SET ascii COLLATE ascii_bin */ NOT NULL PRIMARY KEY,
  subject_kind VARCHAR(20) NOT NULL,
  subject_id CHAR(36) /*! CHARACTER SET ascii COLLATE ascii_bin */ NOT NULL,
  sentence VARCHAR(2000) NOT NULL,
  state VARCHAR(10) NOT NULL,
  branch VARCHAR(10) NOT NULL,
  stage INT NOT NULL,
  verdict VARCHAR(10) NOT NULL,
  cause VARCHAR(64) NOT NULL,
  created_at DATETIME /*!(6)*/ NOT NULL,
  finished_at DATETIME /*!(6)*/ NULL
) /*! ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin */;

-- +goose Down
DROP TABLE flows;
