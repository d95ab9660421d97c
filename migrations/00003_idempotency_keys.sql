-- +goose Up
CREATE TABLE idempotency_keys (
  scope VARCHAR(64) NOT NULL,
  idem_key VARCHAR(128) NOT NULL,
  fingerprint CHAR(64) NOT NULL,
  status INT NOT NULL,
  location VARCHAR(200) NOT NULL,
  body_sealed TEXT NOT NULL,
  created_at DATETIME /*!(6)*/ NOT NULL,
  PRIMARY KEY (scope, idem_key)
) /*! ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin */;

-- +goose Down
DROP TABLE idempotency_keys;
