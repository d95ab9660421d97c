-- +goose Up
CREATE TABLE webhook_events (
  source VARCHAR(16) /*! CHARACTER SET ascii COLLATE ascii_bin */ NOT NULL,
  event_id VARCHAR(100) NOT NULL,
  meaning VARCHAR(16) NOT NULL,
  name VARCHAR(64) NOT NULL,
  idem_key VARCHAR(100) NOT NULL,
  ref VARCHAR(100) NOT NULL,
  received_at DATETIME /*!(6)*/ NOT NULL,
  handled_at DATETIME /*!(6)*/ NULL,
  note VARCHAR(100) NOT NULL,
  PRIMARY KEY (source, event_id)
) /*! ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin */;

-- +goose Down
DROP TABLE webhook_events;
