-- +goose Up
CREATE TABLE notices (
  id CHAR(36) /*! CHARACTER SET ascii COLLATE ascii_bin */ NOT NULL PRIMARY KEY,
  user_id CHAR(36) /*! CHARACTER SET ascii COLLATE ascii_bin */ NOT NULL,
  event VARCHAR(20) NOT NULL,
  order_id CHAR(36) /*! CHARACTER SET ascii COLLATE ascii_bin */ NOT NULL,
  text VARCHAR(500) NOT NULL,
  created_at DATETIME /*!(6)*/ NOT NULL,
  UNIQUE (user_id, order_id, event)
) /*! ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin */;

-- +goose Down
DROP TABLE notices;
