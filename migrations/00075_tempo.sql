-- +goose Up
CREATE TABLE tempo (
  id INT NOT NULL PRIMARY KEY,
  speed DOUBLE NOT NULL,
  wall_at DATETIME /*!(6)*/ NOT NULL,
  app_at DATETIME /*!(6)*/ NOT NULL,
  seen_at DATETIME /*!(6)*/ NOT NULL
) /*! ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin */;

-- +goose Down
DROP TABLE tempo;
