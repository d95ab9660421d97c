// Package jobs is a durable job layer over asynq: typed jobs, chains and
// batches whose truth is the database and which Redis only delivers.
//
// Two rules carry it. A job is a row written in the same transaction as the
// change that asks for it, so it exists exactly when the change does; what
// Redis loses, the sweep puts back. And a job is delivered at least once but
// recorded exactly once: its effect and the fact that it is done are one
// commit, guarded by a conditional update.
//
// A feature declares a Kind with a constructor, attaches a handler to it, and
// starts flows or single jobs inside its own transactions through a Client. A
// Worker runs them.
package jobs
