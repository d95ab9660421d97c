-- +goose Up
CREATE TABLE payments (
  order_id CHAR(36) /*! CHARACTER SET ascii COLLATE ascii_bin */ NOT NULL PRIMARY KEY,
  rider_id CHAR(36) /*! CHARACTER SET ascii COLLATE ascii_bin */ NOT NULL,
  amount BIGINT NOT NULL,
  status VARCHAR(10) NOT NULL,
  hold_ref VARCHAR(100) NOT NULL,
  created_at DATETIME /*!(6)*/ NOT NULL,
  changed_at DATETIME /*!(6)*/ NOT NULL
) /*! ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin */;

-- +goose Down
DROP TABLE payments;
