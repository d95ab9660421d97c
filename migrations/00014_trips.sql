-- +goose Up
CREATE TABLE trips (
  id CHAR(36) /*! CHARACTER SET ascii COLLATE ascii_bin */ NOT NULL PRIMARY KEY,
  driver_id CHAR(36) /*! CHARACTER SET ascii COLLATE ascii_bin */ NOT NULL,
  status VARCHAR(10) NOT NULL,
  seats INT NOT NULL,
  seats_left INT NOT NULL,
  origin_lat DOUBLE NOT NULL,
  origin_lng DOUBLE NOT NULL,
  origin_name VARCHAR(200) NOT NULL,
  dest_lat DOUBLE NOT NULL,
  dest_lng DOUBLE NOT NULL,
  dest_name VARCHAR(200) NOT NULL,
  depart_at DATETIME /*!(6)*/ NOT NULL,
  arrive_at DATETIME /*!(6)*/ NOT NULL,
  max_detour_s INT NOT NULL,
  plan TEXT NOT NULL,
  version INT NOT NULL,
  created_at DATETIME /*!(6)*/ NOT NULL,
  changed_at DATETIME /*!(6)*/ NOT NULL
) /*! ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin */;

-- +goose Down
DROP TABLE trips;
