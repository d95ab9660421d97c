-- +goose Up
CREATE TABLE broadcasts (
  id CHAR(36) /*! CHARACTER SET ascii COLLATE ascii_bin */ NOT NULL PRIMARY KEY,
  state VARCHAR(10) NOT NULL,
  text VARCHAR(300) NOT NULL,
  lat DOUBLE NOT NULL,
  lng DOUBLE NOT NULL,
  radius_m INT NOT NULL,
  told INT NOT NULL,
  pages INT NOT NULL,
  pages_done INT NOT NULL,
  pages_failed INT NOT NULL,
  created_at DATETIME /*!(6)*/ NOT NULL,
  finished_at DATETIME /*!(6)*/ NULL
) /*! ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin */;

-- +goose Down
DROP TABLE broadcasts;
