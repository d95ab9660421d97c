package jobs_test

import (
	"testing"

	"go.uber.org/goleak"
)

// Everything that a system or a worker starts must have ended when it is closed.
func TestMain(m *testing.M) {
	// database/sql ends its opener a moment after Close returns.
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("database/sql.(*DB).connectionOpener"))
}
