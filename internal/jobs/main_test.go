package jobs_test

import (
	"os"
	"testing"

	"github.com/redis/go-redis/v9/logging"
	"go.uber.org/goleak"
)

// Everything that a system or a worker starts must have ended when it is closed.
func TestMain(m *testing.M) {
	if os.Getenv(mortalDB) != "" {
		runMortal() // this is the worker that a test kills
	}
	logging.Disable() // of a Redis that is down, the client writes a line for each attempt to reach it
	// database/sql ends its opener a moment after Close returns.
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("database/sql.(*DB).connectionOpener"))
}
