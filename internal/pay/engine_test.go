package pay

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
	"github.com/spotpool/spotpool/internal/money"
)

// engine is a payment service whose jobs are run by a real queue.
type engine struct {
	*Service
	queue *jobstest.Harness
}

func startEngine(t *testing.T, gateway Gateway) *engine {
	t.Helper()
	h := jobstest.New(t)
	e := &engine{New(h.DB, gateway, clock.System{}), h}
	e.Register(h.Registry)
	h.Work("pay")
	return e
}

// run starts a flow and returns how it ended: "done", or why not.
func (e *engine) run(f jobs.Flow) string {
	subject := e.queue.Start(f)
	var v jobs.FlowView
	e.queue.Await(f.String()+" to end", func() bool {
		v = e.queue.Flow(subject)
		return v.State == "done" || v.State == "failed"
	})
	if v.State == "done" {
		return v.State
	}
	return v.Cause
}

// open writes a payment and returns its order.
func open(t *testing.T, s *Service, amount money.Amount) uuid.UUID {
	t.Helper()
	order := uuid.Must(uuid.NewV7())
	inTx(t, s.db, func(tx *db.Tx) error { return s.Open(tx, order, uuid.Must(uuid.NewV7()), amount) })
	return order
}

func inTx(t *testing.T, d *db.DB, fn func(tx *db.Tx) error) {
	t.Helper()
	if err := d.Tx(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

// status returns what the payment of an order says.
func status(t *testing.T, s *Service, order uuid.UUID) Status {
	t.Helper()
	found, err := s.Of(t.Context(), order)
	if err != nil {
		t.Fatal(err)
	}
	return found[order].Status
}

// wantClean fails the test when an audit rule finds anything.
func wantClean(t rapid.TB, s *Service) {
	t.Helper()
	for _, rule := range []func(context.Context) ([]string, error){s.LedgerAgrees, s.DoubleHolds} {
		if found, err := rule(context.Background()); err != nil || len(found) > 0 {
			t.Errorf("audit: %q, %v", found, err)
		}
	}
}
