-- +goose Up
CREATE TABLE users (
  id CHAR(36) /*! CHARACTER SET ascii COLLATE ascii_bin */ NOT NULL PRIMARY KEY,
  phone VARCHAR(20) NOT NULL UNIQUE,
  role VARCHAR(10) NOT NULL,
  created_at DATETIME /*!(6)*/ NOT NULL
) /*! ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin */;

-- +goose Down
DROP TABLE users;
