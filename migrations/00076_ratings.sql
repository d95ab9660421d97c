-- +goose Up
CREATE TABLE ratings (
  order_id CHAR(36) /*! CHARACTER SET ascii COLLATE ascii_bin */ NOT NULL,
  party VARCHAR(10) NOT NULL,
  rater_id CHAR(36) /*! CHARACTER SET ascii COLLATE ascii_bin */ NOT NULL,
  ratee_id CHAR(36) /*! CHARACTER SET ascii COLLATE ascii_bin */ NOT NULL,
  stars INT NOT NULL,
  comment VARCHAR(300) NOT NULL,
  counts_at DATETIME /*!(6)*/ NOT NULL,
  created_at DATETIME /*!(6)*/ NOT NULL,
  PRIMARY KEY (order_id, party)
) /*! ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin */;

-- +goose Down
DROP TABLE ratings;
