package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"github.com/spotpool/spotpool/internal/db/dbtest"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
	"github.com/spotpool/spotpool/internal/sim"
)

// childVar makes the test binary behave as the program itself, so that a test
// can run it in a process of its own and kill that.
const childVar = "SPOTPOOL_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childVar) == "" {
		os.Exit(m.Run())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// where returns the flags that give a program a database and a Redis of the
// test's own: embedded ones, or those of the test servers.
func where(t testing.TB) []string {
	t.Helper()
	flags := []string{"--data", t.TempDir(), "--secret", "a secret for tests only", "--address-rate", "0", "--user-rate", "0"}
	if os.Getenv("SPOTPOOL_TEST_MYSQL") != "" {
		flags = append(flags, "--database", dbtest.Target(t))
	}
	if os.Getenv("SPOTPOOL_TEST_REDIS") != "" {
		flags = append(flags, "--redis", redisURL(jobstest.Redis(t)))
	}
	return flags
}

func redisURL(conn asynq.RedisConnOpt) string {
	c := conn.(asynq.RedisClientOpt)
	return "redis://" + c.Addr + "/" + strconv.Itoa(c.DB)
}

// program is a running spotpool.
type program struct {
	base string // http://host:port
	stop func() // gently, waiting for its end
	kill func() // kill -9; only of a process of its own
}

// launch runs a command of spotpool in a process of its own and waits until it serves.
func launch(t testing.TB, args ...string) *program {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel) // after it was stopped gently
	never := time.AfterFunc(jobstest.Deadline, cancel)
	c, err := startChild(ctx, append(args, "--addr", "127.0.0.1:0"),
		append(os.Environ(), childVar+"=1"), 0, testLog{t})
	never.Stop()
	if err != nil {
		t.Fatal(err)
	}
	ended := false
	end := func(sig os.Signal) {
		if ended {
			return
		}
		ended = true
		late := time.AfterFunc(jobstest.Deadline, func() {
			_ = c.cmd.Process.Kill()
			t.Errorf("did not stop within %s", jobstest.Deadline)
		})
		defer late.Stop()
		if err := c.stop(sig); sig == os.Interrupt && err != nil {
			t.Errorf("stopped gently, it ended with %v", err)
		}
	}
	p := &program{base: c.base, stop: func() { end(os.Interrupt) }, kill: func() { end(syscall.SIGKILL) }}
	t.Cleanup(p.stop)
	return p
}

// testLog keeps warnings of a child for the test's log.
type testLog struct{ t testing.TB }

func (l testLog) Write(p []byte) (int, error) {
	if s := string(p); strings.Contains(s, `"WARN"`) || strings.Contains(s, `"ERROR"`) || strings.Contains(s, "panic") {
		l.t.Log(strings.TrimSpace(s))
	}
	return len(p), nil
}

// command runs a command to its end and returns its exit code and output.
func command(t testing.TB, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out strings.Builder
	var errs buffer // the processes that it starts write to it too
	code = run(t.Context(), args, &out, &errs)
	return code, out.String(), errs.String()
}

// token returns a token that the token command prints.
func token(t testing.TB, at []string, role, phone string) string {
	t.Helper()
	code, out, errs := command(t, append([]string{"token", "--role", role, "--phone", phone}, at...)...)
	if code != exitOK || errs != "" || strings.Count(out, "\n") != 1 {
		t.Fatalf("token: exit %d, printed %q and %q", code, out, errs)
	}
	return strings.TrimSpace(out)
}

// audit fails the test unless all rules hold.
func audit(t testing.TB, at []string) {
	t.Helper()
	code, out, errs := command(t, append([]string{"audit", "--settle", "60s"}, at...)...)
	if code != exitOK || strings.Count(out, "ok      ") < 8 {
		t.Errorf("audit: exit %d\n%s%s", code, out, errs)
	}
}

// street is a straight way west across the city; trips and orders lie along it.
func street(lng float64, shift int) sim.Place {
	var p sim.Place
	p.Lat, p.Lng = 31.2+float64(shift%10)*0.0005, lng
	return p
}

// offer offers a trip along the street, four seats, departing in ten minutes.
func offer(t testing.TB, c sim.Client, n int) sim.Trip {
	t.Helper()
	tr, err := c.OfferTrip(t.Context(), sim.TripOffer{
		Origin: street(121.48, n), Destination: new(street(121.32, n)), DepartAt: time.Now().Add(10 * time.Minute), Seats: 4,
	})
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func wish(n int) sim.OrderRequest {
	return sim.OrderRequest{Ask: sim.Ask{Origin: street(121.46, n), Destination: street(121.34, n), Seats: 1}}
}

// crowd returns clients of n people, signed in by the app beside the server.
func crowd(t testing.TB, at []string, base, role string, n int) []sim.Client {
	t.Helper()
	var clients []sim.Client
	err := beside(t, at, func(a *app) error {
		texts, err := a.tokens(t.Context(), role, n)
		for _, text := range texts {
			clients = append(clients, sim.NewClient(base, nil).As(text))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return clients
}

// tally counts orders by status as an operator sees them.
func tally(ctx context.Context, operator sim.Client) (map[string]int, error) {
	n := map[string]int{}
	cursor := ""
	for {
		page, err := operator.Orders(ctx, 200, cursor)
		if err != nil {
			return nil, err
		}
		for _, o := range page.Items {
			n[o.Status]++
		}
		if cursor = page.NextCursor; cursor == "" {
			return n, nil
		}
	}
}

// await looks again and again until ok, and fails the test after the deadline.
func await(t testing.TB, what string, within time.Duration, ok func() (bool, string)) {
	t.Helper()
	deadline := time.After(within)
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		done, state := ok()
		if done {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not within %s: %s; now %s", within, what, state)
		}
	}
}

// awaitEnd waits until n orders are confirmed or expired, and no other is left.
func awaitEnd(t testing.TB, operator sim.Client, n int) (byStatus map[string]int) {
	t.Helper()
	await(t, fmt.Sprintf("%d orders are confirmed or expired", n), 4*jobstest.Deadline, func() (bool, string) {
		got, err := tally(t.Context(), operator)
		if err != nil {
			return false, err.Error()
		}
		byStatus = got
		return got["confirmed"]+got["expired"] == n && len(got) <= 2, fmt.Sprint(got)
	})
	return byStatus
}
