package pay

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

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
	rides *rides
	said  *lines
}

func startEngine(t *testing.T, gateway Gateway) *engine {
	t.Helper()
	h := jobstest.New(t)
	e := &engine{queue: h, rides: &rides{}, said: &lines{}}
	e.Service = New(Deps{
		DB: h.DB, Queue: h.Client, Gateway: gateway, Rides: e.rides, Locks: jobs.NewLocker(h.System.Redis()), Clock: clock.System{}, Zone: time.UTC, FeePercent: 20,
		Log: slog.New(slog.NewTextHandler(e.said, nil)),
	})
	e.Register(h.Registry)
	h.Work("pay", "low")
	return e
}

// rides are what every driver has driven, on any day.
type rides struct {
	mu     sync.Mutex
	trips  int
	orders []uuid.UUID
	spans  []string // that were asked for
	// asked, when set, is called for each question and may keep it waiting.
	asked func()
}

func (r *rides) Driven(_ context.Context, _ uuid.UUID, from, until time.Time) (int, []uuid.UUID, error) {
	if r.asked != nil {
		r.asked()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.spans = append(r.spans, from.Format(time.RFC3339)+" "+until.Format(time.RFC3339))
	return r.trips, r.orders, nil
}

// lines is a log in memory.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.text.String(), text)
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
	for _, rule := range []func(context.Context) ([]string, error){s.LedgerBalances, s.LedgerAgrees, s.DoubleHolds, s.NoneAboveHold, s.MoneyStuck} {
		if found, err := rule(context.Background()); err != nil || len(found) > 0 {
			t.Errorf("audit: %q, %v", found, err)
		}
	}
}
