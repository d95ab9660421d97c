package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"

	"github.com/spotpool/spotpool/internal/config"
	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
	"github.com/spotpool/spotpool/internal/sim"
)

// beside runs fn on an app that shares the running program's database.
func beside(t testing.TB, at []string, fn func(a *app) error) error {
	t.Helper()
	cmd := &cobra.Command{}
	config.Bind(cmd.Flags())
	if err := cmd.ParseFlags(at); err != nil {
		t.Fatal(err)
	}
	s, err := settings(cmd)
	if err != nil {
		t.Fatal(err)
	}
	return withApp(t.Context(), s, fn)
}

// place orders n seats at once, each by a rider of its own, several at a time.
// then is called after each that was accepted, with how many there are.
func place(t testing.TB, riders []sim.Client, then func(accepted int)) {
	t.Helper()
	var wg sync.WaitGroup
	var mu sync.Mutex
	accepted := 0
	next := make(chan int)
	for range 8 {
		wg.Go(func() {
			for i := range next {
				if _, err := riders[i].PlaceOrder(t.Context(), wish(i)); err != nil {
					t.Errorf("order %d: %v", i, err)
				}
				mu.Lock()
				accepted++
				then(accepted)
				mu.Unlock()
			}
		})
	}
	for i := range riders {
		next <- i
	}
	close(next)
	wg.Wait()
}

func offerAll(t testing.TB, drivers []sim.Client) {
	t.Helper()
	for i, d := range drivers {
		offer(t, d, i)
	}
}

func TestTheDemoConfirmsOrdersStopsAndGoesOn(t *testing.T) {
	at := where(t)
	for range 2 { // the second start goes on with the same data
		p := launch(t, append([]string{"demo"}, at...)...)
		operator := sim.NewClient(p.base, nil).As(token(t, at, "operator", "+8613900000000"))
		before, err := tally(t.Context(), operator)
		if err != nil {
			t.Fatal(err)
		}
		await(t, "the city's orders are confirmed", jobstest.Deadline, func() (bool, string) {
			n, err := tally(t.Context(), operator)
			return err == nil && n["confirmed"] > before["confirmed"], fmt.Sprint(n, err)
		})
		p.stop()
		audit(t, at)
	}
}

// Killed in the middle of 500 orders and started again, the program ends every
// order that it accepted.
func TestKilledInTheMiddleItLosesNothing(t *testing.T) {
	const orders, cars = 500, 130
	at := append(where(t), "--match-for", "60s")
	p := launch(t, append([]string{"serve"}, at...)...)
	offerAll(t, crowd(t, at, p.base, "driver", cars))
	riders := crowd(t, at, p.base, "rider", orders)
	// The first part is under way when the program dies; the rest comes after.
	place(t, riders[:orders/2], func(n int) {
		if n == orders/2 {
			p.kill()
		}
	})
	p = launch(t, append([]string{"serve"}, at...)...)
	riders = crowd(t, at, p.base, "rider", orders)
	place(t, riders[orders/2:], func(int) {})
	operator := sim.NewClient(p.base, nil).As(token(t, at, "operator", "+8613900000000"))
	if got := awaitEnd(t, operator, orders); got["confirmed"] < orders*9/10 {
		t.Errorf("%v; nearly all have a seat to be found", got)
	}
	audit(t, at)
}

// With several processes on real servers, or one on the embedded ones, an
// emptied Redis loses nothing.
func TestAnEmptiedRedisLosesNothing(t *testing.T) {
	const orders, cars = 200, 60
	at, conn := where(t), jobstest.Redis(t)
	at = append(at, "--match-for", "60s", "--redis", redisURL(conn))
	run := []string{"serve"}
	if os.Getenv("SPOTPOOL_TEST_MYSQL") != "" {
		if code, _, errs := command(t, append([]string{"migrate"}, at...)...); code != exitOK {
			t.Fatal(errs)
		}
		run = []string{"api"}
		for range 3 {
			launch(t, append([]string{"work"}, at...)...)
		}
	}
	p := launch(t, append(run, at...)...)
	offerAll(t, crowd(t, at, p.base, "driver", cars))
	riders := crowd(t, at, p.base, "rider", orders)
	admin := conn.MakeRedisClient().(redis.UniversalClient)
	defer func() { _ = admin.Close() }()
	place(t, riders, func(n int) {
		if n%(orders/4) == 0 {
			if err := admin.FlushDB(context.Background()).Err(); err != nil {
				t.Error(err)
			}
		}
	})
	operator := sim.NewClient(p.base, nil).As(token(t, at, "operator", "+8613900000000"))
	awaitEnd(t, operator, orders)
	audit(t, at)
}

// While Redis is down orders are accepted, and carried out when it is back.
func TestOrdersAreAcceptedWhileRedisIsDown(t *testing.T) {
	const orders = 20
	m := miniredis.RunT(t)
	at := append(where(t), "--redis", "redis://"+m.Addr())
	p := launch(t, append([]string{"serve"}, at...)...)
	offerAll(t, crowd(t, at, p.base, "driver", 10))
	riders := crowd(t, at, p.base, "rider", orders)
	operator := sim.NewClient(p.base, nil).As(token(t, at, "operator", "+8613900000000"))
	m.Close()
	place(t, riders, func(int) {})
	if got, err := tally(t.Context(), operator); err != nil || got["matching"] != orders {
		t.Fatalf("accepted %v, %v", got, err)
	}
	if err := m.Restart(); err != nil {
		t.Fatal(err)
	}
	awaitEnd(t, operator, orders)
	audit(t, at)
}

func TestPartsAloneNeedServersOfTheirOwn(t *testing.T) {
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"api"}, "--redis"},
		{[]string{"work", "--redis", "127.0.0.1:6379"}, "--database"},
		{[]string{"work", "--redis", "127.0.0.1:6379", "--database", "sqlite:x"}, "--secret"},
		{[]string{"serve", "--concurrency", "0"}, "--concurrency"},
		{[]string{"serve", "--no-such-flag"}, "--no-such-flag"},
		{[]string{"serve", "now"}, `"now"`},
		{[]string{"serve", "--redis", "gopher://x"}, "redis"},
		{[]string{"serve", "--queue-redis", "sms=gopher://x"}, "sms"},
		{[]string{"serve", "--travel", "by-air"}, "--travel"},
		{[]string{"serve", "--travel", "roads:nowhere"}, "nowhere.edges"},
		{[]string{"serve", "--travel", "osrm:localhost"}, "OSRM server"},
		{[]string{"serve", "--stop-when-empty"}, "--stop-when-empty"},
		{[]string{"serve", "--max-jobs", "1"}, "--max-jobs"},
		{[]string{"demo", "--max-time", "1h"}, "--max-time"},
		{[]string{"demo", "--memory", "512"}, "--memory"},
		{[]string{"serve", "--sms", "pigeon"}, "--sms"},
		{[]string{"serve", "--quiet-hours", "night"}, "--quiet-hours"},
		{[]string{"serve", "--language", "fr"}, "--language"},
		{[]string{"serve", "--clock-speed", "0.5"}, "--clock-speed"},
		{[]string{"demo", "--clock-speed", "NaN"}, "--clock-speed"},
		{[]string{"demo", "--sms", "log,log"}, "--sms"},
		{[]string{"flee"}, `"flee"`},
	} {
		code, out, errs := command(t, append(c.args, "--data", t.TempDir())...)
		if code != exitUsage || out != "" || !strings.Contains(errs, c.says) || strings.Count(errs, "\n") != 1 {
			t.Errorf("%v: exit %d, printed %q and %q; want one line that says %s, and exit 2", c.args, code, out, errs, c.says)
		}
	}
}

// The city's numbers are invented, and may be somebody's.
func TestTheCityGetsNoSMS(t *testing.T) {
	t.Setenv("SPOTPOOL_TWILIO_TOKEN", "a token")
	code, _, errs := command(t, "demo", "--sms", "twilio", "--twilio-account", "AC1", "--twilio-from", "MG1", "--data", t.TempDir())
	if code != exitUsage || !strings.Contains(errs, "--sms log") || strings.Contains(errs, "a token") {
		t.Errorf("exit %d, %q", code, errs)
	}
}

func TestTokenNeedsAPhoneAndARole(t *testing.T) {
	at := where(t)
	if code, _, errs := command(t, append([]string{"migrate"}, at...)...); code != exitOK {
		t.Fatal(errs)
	}
	for _, args := range [][]string{
		{"token"}, {"token", "--phone", "12345"}, {"token", "--phone", "+8613900000000", "--role", "king"},
	} {
		if code, out, errs := command(t, append(args, at...)...); code != exitUsage || out != "" || strings.Count(errs, "\n") != 1 {
			t.Errorf("%v: exit %d, %q, %q", args, code, out, errs)
		}
	}
	token(t, at, "rider", "+8613900000001")
}

// An audit of a database in which something is wrong says so and exits with 1.
func TestAuditFindsWhatIsBroken(t *testing.T) {
	at := where(t)
	if code, _, errs := command(t, append([]string{"migrate"}, at...)...); code != exitOK {
		t.Fatal(errs)
	}
	audit(t, at)
	err := beside(t, at, func(a *app) error { return damage(t.Context(), a) })
	if err != nil {
		t.Fatal(err)
	}
	code, out, _ := command(t, append([]string{"audit", "--settle", "0s"}, at...)...)
	if code != exitFailed || !strings.Contains(out, "BROKEN  no flow stuck: 1 findings") {
		t.Errorf("exit %d, printed\n%s", code, out)
	}
}

// damage starts a flow and loses its job.
func damage(ctx context.Context, a *app) error {
	return a.db.Tx(ctx, func(tx *db.Tx) error {
		noop := jobs.Kind[struct{}]{Name: "test:noop", Queue: "low", Tries: 1, Backoff: jobs.Fixed(1), Timeout: 1}
		flow, err := a.system.Client().Start(tx, jobs.Subject{Kind: "test", ID: uuid.New()}, jobs.Chain(noop.New(struct{}{})))
		if err != nil {
			return err
		}
		_, err = tx.Change("DELETE FROM jobs WHERE flow_id = ?", flow)
		return err
	})
}
