-- +goose Up
CREATE TABLE ledger_entries (
  posting VARCHAR(64) NOT NULL,
  account VARCHAR(64) NOT NULL,
  amount BIGINT NOT NULL,
  created_at DATETIME /*!(6)*/ NOT NULL,
  PRIMARY KEY (posting, account)
) /*! ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin */;

-- +goose Down
DROP TABLE ledger_entries;
