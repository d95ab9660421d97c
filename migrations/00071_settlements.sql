-- +goose Up
CREATE TABLE settlements (
  id CHAR(36) /*! CHARACTER SET ascii COLLATE ascii_bin */ NOT NULL PRIMARY KEY,
  driver_id CHAR(36) /*! CHARACTER SET ascii COLLATE ascii_bin */ NOT NULL,
  day CHAR(10) NOT NULL,
  rides INT NOT NULL,
  fares BIGINT NOT NULL,
  share BIGINT NOT NULL,
  fee BIGINT NOT NULL,
  fee_percent INT NOT NULL,
  disputed_at DATETIME /*!(6)*/ NULL,
  paid_at DATETIME /*!(6)*/ NULL,
  created_at DATETIME /*!(6)*/ NOT NULL
) /*! ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin */;

-- +goose Down
DROP TABLE settlements;
