-- +goose Up
CREATE TABLE order_events (
  order_id CHAR(36) /*! CHARACTER SET ascii COLLATE ascii_bin */ NOT NULL,
  seq INT NOT NULL,
  status VARCHAR(10) NOT NULL,
  reason VARCHAR(64) NOT NULL,
  at DATETIME /*!(6)*/ NOT NULL,
  PRIMARY KEY (order_id, seq)
) /*! ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin */;

-- +goose Down
DROP TABLE order_events;
