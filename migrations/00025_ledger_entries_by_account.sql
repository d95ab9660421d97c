-- +goose Up
CREATE INDEX ledger_entries_by_account ON ledger_entries (account);

-- +goose Down
DROP INDEX ledger_entries_by_account /*! ON ledger_entries */;
