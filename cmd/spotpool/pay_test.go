package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/jobs/jobstest"
	"github.com/spotpool/spotpool/internal/pay/paytest"
	"github.com/spotpool/spotpool/internal/sim"
)

const gatewaySecret = "shared with the gateway"

// paidBy returns the flags of a program whose money a gateway moves.
func paidBy(t testing.TB, g *paytest.Gateway) []string {
	t.Helper()
	t.Setenv("SPOTPOOL_PAY_WEBHOOK_SECRET", gatewaySecret)
	return append(where(t), "--pay-gateway", "webhook", "--pay-webhook-url", g.URL, "--dispute-window", "0s")
}

// With a gateway that decides everything later and says so by webhooks, each of them
// twice and before its own answer, a ride is held, driven, captured and paid out once.
func TestARideIsPaidThroughWebhooks(t *testing.T) {
	gateway := paytest.New(t, gatewaySecret)
	at := paidBy(t, gateway)
	p := launch(t, append([]string{"serve"}, at...)...)
	gateway.Tell(p.base + "/v1/webhooks/pay")
	operator := sim.NewClient(p.base, nil).As(token(t, at, "operator", "+8613900000000"))
	driver, riders := crowd(t, at, p.base, "driver", 1)[0], crowd(t, at, p.base, "rider", 3)
	tr := offer(t, driver, 0)
	is := func(o sim.Order, status, payment string) sim.Order {
		t.Helper()
		await(t, "the order is "+status+", its payment "+payment, jobstest.Deadline, func() (bool, string) {
			now, err := operator.Order(t.Context(), o.ID)
			if err == nil {
				o = now
			}
			return err == nil && o.Status == status && o.Payment == payment, fmt.Sprint(o.Status, " ", o.Payment, " ", err)
		})
		return o
	}
	order := func(rider sim.Client) sim.Order {
		t.Helper()
		o, err := rider.PlaceOrder(t.Context(), wish(0))
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	asked := func(key string) {
		t.Helper()
		await(t, "the gateway is told of "+key, jobstest.Deadline, func() (bool, string) {
			_, ok := gateway.Saw(key)
			return ok, ""
		})
	}

	gateway.Set(paytest.Early)
	ridden := is(order(riders[0]), "confirmed", "held")

	gateway.Set(paytest.Later)
	declined, called := order(riders[1]), order(riders[2])
	for _, o := range []sim.Order{declined, called} {
		asked("hold:" + o.ID.String())
		is(o, "matched", "none")
	}
	gateway.Decide("hold:"+declined.ID.String(), false)
	is(declined, "cancelled", "none")
	if err := riders[2].CancelOrder(t.Context(), called.ID); err != nil {
		t.Fatal(err)
	}
	for _, o := range []sim.Order{declined, called} {
		asked("void:" + o.ID.String())
		gateway.Decide("void:"+o.ID.String(), true)
		is(o, "cancelled", "none")
	}

	gateway.Set(paytest.Early)
	for _, act := range []string{"depart", "stops/1/arrive", "stops/1/pick-up", "stops/2/arrive", "stops/2/drop-off"} {
		if _, err := driver.Drive(t.Context(), tr.ID, act); err != nil {
			t.Fatal(act, err)
		}
	}
	is(ridden, "completed", "captured")
	asked("payout:" + tr.ID.String())
	capture, _ := gateway.Saw("capture:" + ridden.ID.String())
	payout, _ := gateway.Saw("payout:" + tr.ID.String())
	if capture.Amount == 0 || payout.Amount != capture.Amount-capture.Amount/5 {
		t.Errorf("captured %d, paid out %d", capture.Amount, payout.Amount)
	}
	await(t, "the driver is paid in the books", jobstest.Deadline, func() (bool, string) {
		var paid int
		err := beside(t, at, func(a *app) error {
			return a.db.Read(t.Context()).Raw("SELECT COUNT(*) FROM settlements WHERE id = ? AND paid_at IS NOT NULL", tr.ID).Scan(&paid).Error
		})
		return paid == 1, fmt.Sprint(err)
	})
	if gateway.Held() != 0 || gateway.Cash() != capture.Amount-payout.Amount {
		t.Errorf("the gateway holds %d and has %d", gateway.Held(), gateway.Cash())
	}
	for _, o := range []uuid.UUID{declined.ID, called.ID} {
		if _, ok := gateway.Saw("capture:" + o.String()); ok {
			t.Error("an order that came to nothing was charged")
		}
	}
	p.stop()
	audit(t, at)
}

// The keys of gateways are said in no line, and what is missing is said in one.
func TestGatewaysAreRefusedWithoutTheirKeys(t *testing.T) {
	for _, c := range []struct {
		args []string
		env  map[string]string
		says string
	}{
		{[]string{"serve", "--pay-gateway", "barter"}, nil, "--pay-gateway"},
		{[]string{"serve", "--pay-gateway", "stripe"}, nil, "SPOTPOOL_STRIPE_KEY"},
		{[]string{"serve", "--pay-gateway", "stripe", "--stripe-url", "stripe"},
			map[string]string{"SPOTPOOL_STRIPE_KEY": "sk_test_secret", "SPOTPOOL_STRIPE_WEBHOOK_SECRET": "whsec_secret"}, "https://api.stripe.com"},
		{[]string{"serve", "--pay-gateway", "webhook", "--pay-webhook-url", "ftp://secret@pay.example"},
			map[string]string{"SPOTPOOL_PAY_WEBHOOK_SECRET": "secret secret secret"}, "https://pay.example.com"},
		{[]string{"demo", "--pay-gateway", "webhook", "--pay-webhook-url", "http://127.0.0.1:1"},
			map[string]string{"SPOTPOOL_PAY_WEBHOOK_SECRET": "secret secret secret"}, "--pay-gateway sandbox"},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			for name, value := range c.env {
				t.Setenv(name, value)
			}
			code, out, errs := command(t, append(c.args, "--data", t.TempDir(), "--addr", "127.0.0.1:0")...)
			if code != exitUsage || out != "" || strings.Count(errs, "\n") != 1 || !strings.Contains(errs, c.says) || strings.Contains(errs, "secret") {
				t.Errorf("exit %d, printed %q and %q", code, out, errs)
			}
		})
	}
}
