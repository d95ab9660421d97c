-- +goose Up
CREATE TABLE payment_means (
  user_id CHAR(36) /*! CHARACTER SET ascii COLLATE ascii_bin */ NOT NULL PRIMARY KEY,
  customer VARCHAR(100) NOT NULL,
  method VARCHAR(100) NOT NULL,
  payout_account VARCHAR(100) NOT NULL
) /*! ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin */;

-- +goose Down
DROP TABLE payment_means;
