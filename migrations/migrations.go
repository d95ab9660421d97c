// Package migrations holds the schema's history. One set serves MySQL and
// SQLite: portable SQL, with MySQL's own details in executable comments
// (/*!…*/), which SQLite skips; one DDL statement a file, because MySQL commits
// each on its own.
package migrations

import "embed"

// FS holds the migrations in goose's form.
//
//go:embed *.sql
var FS embed.FS
