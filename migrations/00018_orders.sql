-- +goose Up
CREATE TABLE orders (
  id CHAR(36) /*! CHARACTER SET ascii COLLATE ascii_bin */ NOT NULL PRIMARY KEY,
  rider_id CHAR(36) /*! CHARACTER SET ascii COLLATE ascii_bin */ NOT NULL,
  status VARCHAR(10) NOT NULL,
  reason VARCHAR(64) NOT NULL,
  seats INT NOT NULL,
  origin_lat DOUBLE NOT NULL,
  origin_lng DOUBLE NOT NULL,
  origin_name VARCHAR(200) NOT NULL,
  dest_lat DOUBLE NOT NULL,
  dest_lng DOUBLE NOT NULL,
  dest_name VARCHAR(200) NOT NULL,
  depart_after DATETIME /*!(6)*/ NOT NULL,
  arrive_before DATETIME /*!(6)*/ NOT NULL,
  match_until DATETIME /*!(6)*/ NOT NULL,
  distance_m INT NOT NULL,
  duration_s INT NOT NULL,
  fare BIGINT NOT NULL,
  trip_id CHAR(36) /*! CHARACTER SET ascii COLLATE ascii_bin */ NULL,
  pickup_at DATETIME /*!(6)*/ NULL,
  dropoff_at DATETIME /*!(6)*/ NULL,
  matched_at DATETIME /*!(6)*/ NULL,
  confirmed_at DATETIME /*!(6)*/ NULL,
  version INT NOT NULL,
  created_at DATETIME /*!(6)*/ NOT NULL,
  changed_at DATETIME /*!(6)*/ NOT NULL
) /*! ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin */;

-- +goose Down
DROP TABLE orders;
