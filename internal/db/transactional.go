package db

import (
	"context"
	"database/sql/driver"
	"errors"
)

// transactional opens connections on which the server begins a transaction with the
// first statement (autocommit=0), so that a transaction costs no round trip to begin.
// They serve transactions only: what is read outside of one would stay open.
type transactional struct{ driver.Connector }

func (c transactional) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	if err := set(ctx, conn, "SET SESSION autocommit = 0"); err != nil {
		return nil, err
	}
	return &txConn{mysqlConn: conn.(mysqlConn)}, nil
}

// mysqlConn is what database/sql uses of a connection of the MySQL driver.
type mysqlConn interface {
	driver.Conn
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
	driver.NamedValueChecker
}

// txConn is a connection that is always in a transaction.
type txConn struct {
	mysqlConn
	unsure bool // whether its last transaction is over
}

var errTxOptions = errors.New("db: a transaction here has no options of its own")

// BeginTx implements driver.ConnBeginTx.
func (c *txConn) BeginTx(_ context.Context, opts driver.TxOptions) (driver.Tx, error) {
	if opts != (driver.TxOptions{}) {
		return nil, errTxOptions
	}
	return c, nil
}

// Commit implements driver.Tx.
func (c *txConn) Commit() error { return c.finish("COMMIT") }

// Rollback implements driver.Tx.
func (c *txConn) Rollback() error { return c.finish("ROLLBACK") }

func (c *txConn) finish(how string) error {
	_, err := c.ExecContext(context.Background(), how, nil)
	c.unsure = c.unsure || err != nil
	return err
}

// IsValid implements driver.Validator: a transaction that may still be open must not
// become part of the next one.
func (c *txConn) IsValid() bool { return !c.unsure && c.mysqlConn.IsValid() }
