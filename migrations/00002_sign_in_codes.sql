-- +goose Up
CREATE TABLE sign_in_codes (
  user_id CHAR(36) /*! CHARACTER SET ascii COLLATE ascii_bin */ NOT NULL PRIMARY KEY,
  code_digest VARCHAR(64) NOT NULL,
  tries_left INT NOT NULL,
  expires_at DATETIME /*!(6)*/ NOT NULL
) /*! ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin */;

-- +goose Down
DROP TABLE sign_in_codes;
