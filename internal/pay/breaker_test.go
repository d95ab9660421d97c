package pay

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/jobs"
)

// A gateway that is out of order is left alone: what is to be held or voided
// waits without an attempt.
func TestAGatewayThatIsOutIsLeftAlone(t *testing.T) {
	gateway := newVault(func(int) error { return errors.New("connection refused") })
	e := startEngine(t, gateway)
	var orders []uuid.UUID
	for range gatewayErrors {
		order := open(t, e.Service, 500)
		orders = append(orders, e.queue.Start(holdFlow(order)))
	}
	e.queue.Await("the breaker to open", func() bool { return e.queue.Events()["pay:hold retried"] >= gatewayErrors })
	before := gateway.made()
	void := e.queue.Start(jobs.Chain(Void(open(t, e.Service, 500))))
	e.queue.Await("a void to wait for the gateway", func() bool { return e.queue.Events()["pay:void released"] == 1 })
	if now := gateway.made(); now != before {
		t.Errorf("the gateway was called %d times while the breaker was open", now-before)
	}
	job := e.queue.Flow(void).Stages[0].Jobs[0]
	if job.Attempts != 0 || job.State != "ready" {
		t.Errorf("waiting for the gateway cost attempts: %+v", job)
	}
	for _, order := range orders {
		if job := e.queue.Flow(order).Stages[0].Jobs[0]; job.Attempts > 2 { // again before it opened
			t.Errorf("%d attempts failed", job.Attempts)
		}
	}
}

// To decline is an answer, not an outage.
func TestDeclinesDoNotOpenTheBreaker(t *testing.T) {
	e := startEngine(t, Sandbox{DeclinePercent: 100})
	for range 2 * gatewayErrors {
		if how := e.run(holdFlow(open(t, e.Service, 500))); how != "payment_declined" {
			t.Fatalf("ended %q", how)
		}
	}
	if n := e.queue.Events()["pay:hold released"] + e.queue.Events()["pay:void released"]; n > 0 {
		t.Errorf("%d jobs waited for the gateway", n)
	}
}

// A void that is given up leaves a mark for the audit and a line in the log,
// until a retry by hand succeeds.
func TestAVoidThatIsGivenUpShows(t *testing.T) {
	broken := true
	gateway := newVault(func(call int) error {
		if broken && call > 1 {
			return jobs.Fail(errors.New("the gateway knows of no such hold"))
		}
		return nil
	})
	e := startEngine(t, gateway)
	order := open(t, e.Service, 1234)
	if how := e.run(holdFlow(order)); how != "done" {
		t.Fatalf("hold ended %q", how)
	}
	flow := e.queue.Start(jobs.Chain(Void(order)))
	job := e.queue.AwaitFlow(flow, "failed").Stages[0].Jobs[0].ID
	found, err := e.MoneyStuck(t.Context())
	if err != nil || len(found) != 1 || !strings.Contains(found[0], order.String()) || !strings.Contains(found[0], "12.34 CNY") {
		t.Errorf("audit: %q, %v", found, err)
	}
	if !e.said.has("level=ERROR") || !e.said.has(order.String()) {
		t.Errorf("the log says %q", e.said.text.String())
	}
	failed, err := e.queue.System.Admin().Failed(t.Context(), jobs.FailedFilter{Tag: "order:" + order.String()})
	if err != nil || !slices.ContainsFunc(failed, func(f jobs.FailedJob) bool { return f.ID == job }) {
		t.Errorf("failed jobs of the order: %+v, %v", failed, err)
	}

	broken = false
	if err := e.queue.System.Admin().Retry(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	e.queue.AwaitFlow(flow, "done")
	if got := status(t, e.Service, order); got != Voided {
		t.Errorf("payment is %s, want voided", got)
	}
	wantClean(t, e.Service)
}

// A void that is given up before anything was held is marked too, since the
// gateway might hold something that nobody has written down.
func TestAVoidOfNothingIsMarkedToo(t *testing.T) {
	broken := true
	gateway := newVault(func(int) error {
		if broken {
			return jobs.Fail(errors.New("no"))
		}
		return nil
	})
	e := startEngine(t, gateway)
	order := open(t, e.Service, 500)
	flow := e.queue.Start(jobs.Chain(Void(order)))
	job := e.queue.AwaitFlow(flow, "failed").Stages[0].Jobs[0].ID
	if found, err := e.MoneyStuck(t.Context()); err != nil || len(found) != 1 {
		t.Errorf("audit: %q, %v", found, err)
	}
	broken = false
	if err := e.queue.System.Admin().Retry(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	e.queue.AwaitFlow(flow, "done")
	if got := status(t, e.Service, order); got != None {
		t.Errorf("payment is %s, want none", got)
	}
	wantClean(t, e.Service)
}
