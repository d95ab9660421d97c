package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spotpool/spotpool/internal/sim"
)

// dayOn are the arguments of a small day on a server of its own, which is over in half a
// minute where the machine keeps up, and adds up where it does not.
func dayOn(t *testing.T, args ...string) []string {
	t.Helper()
	t.Setenv(childVar, "1")
	all := append([]string{"load", "--day", "--day-length", "20m", "--clock-speed", "240", "--dispute-window", "2m"}, args...)
	all = append(all, where(t)[2:]...) // without a data directory: what is embedded must be fresh
	t.Setenv("TMPDIR", t.TempDir())
	return all
}

// A day of sixty orders has its answer to each of them and its books in order, on a
// server of its own, and leaves nothing behind but its report.
func TestADayAddsUp(t *testing.T) {
	page := filepath.Join(t.TempDir(), "day.html")
	code, out, errs := command(t, dayOn(t, "--orders", "60", "--rider-cancels", "10", "--no-shows", "5", "--driver-cancels", "10", "--json", "--report", page)...)
	var r struct {
		Planned      sim.Planned       `json:"planned"`
		Accepted     int               `json:"orders_accepted"`
		Refused      map[string]int    `json:"orders_refused"`
		Ended        map[string]int    `json:"orders_ended"`
		Open         []string          `json:"orders_open"`
		Offered      int               `json:"trips_offered"`
		TripsRefused map[string]int    `json:"trips_refused"`
		Trips        map[string]int    `json:"trips_ended"`
		Money        sim.Money         `json:"money"`
		Notices      map[string]int    `json:"notices"`
		Audit        []json.RawMessage `json:"audit"`
		Series       []json.RawMessage `json:"series"`
	}
	if err := json.Unmarshal([]byte(out), &r); code != exitOK || err != nil {
		t.Fatalf("exit %d, %v\n%s%s", code, err, out, errs)
	}
	total := func(of map[string]int) (n int) {
		for _, k := range of {
			n += k
		}
		return n
	}
	m := r.Money
	if r.Planned.Orders != 60 || r.Accepted != 60-total(r.Refused) || r.Accepted == 0 || total(r.Ended) != r.Accepted || len(r.Open) > 0 {
		t.Errorf("of %d orders, %d were accepted; refused: %v, ended: %v, open: %v", r.Planned.Orders, r.Accepted, r.Refused, r.Ended, r.Open)
	}
	if r.Offered != r.Planned.Trips-total(r.TripsRefused) || total(r.Trips) != r.Offered || r.Trips["completed"] == 0 {
		t.Errorf("of %d trips, %d were offered; refused: %v, ended: %v", r.Planned.Trips, r.Offered, r.TripsRefused, r.Trips)
	}
	if m.In() == 0 || m.In() != m.Out() || m.Taken != m.GatewayTaken || m.PaidOut != m.GatewayPaidOut || m.Held+m.Payable+m.Unshared+m.Refunding != 0 {
		t.Errorf("money: %+v", m)
	}
	if rides := r.Ended["completed"] + r.Ended["no_show"]; rides == 0 || m.Captures < rides || r.Notices["receipt"] < rides {
		t.Errorf("%d rides, %d captures, notices %v", rides, m.Captures, r.Notices)
	}
	if len(r.Audit) < 16 || len(r.Series) == 0 {
		t.Errorf("%d rules, %d parts of the day", len(r.Audit), len(r.Series))
	}
	if raw, err := os.ReadFile(page); err != nil || !strings.Contains(string(raw), "Spotpool simulated day") || !strings.Contains(string(raw), "<polyline") {
		t.Errorf("no report: %v", err)
	}
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// Where nothing is tried twice, what the gateway loses stays lost; that is told, and exit 1.
func TestADayThatDoesNotAddUpIsExit1(t *testing.T) {
	code, out, errs := command(t, dayOn(t, "--orders", "25", "--gateway-errors", "60", "--tries", "1", "--deadline", "2s", "--settle", "0s")...)
	if code != exitFailed || !strings.Contains(out, "BROKEN  ") || !strings.Contains(out, " rules are broken.") {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
}

// A day counts all money there is, so there must be none before.
func TestADayWantsAFreshDatabase(t *testing.T) {
	at := where(t)
	p := launch(t, append([]string{"serve"}, at...)...)
	if _, err := crowd(t, at, p.base, "rider", 1)[0].PlaceOrder(t.Context(), wish(1)); err != nil {
		t.Fatal(err)
	}
	p.stop()
	code, out, errs := command(t, append([]string{"load", "--day"}, at...)...)
	if code != exitUsage || out != "" || !strings.Contains(errs, "--day needs a database without orders") || strings.Count(strings.TrimSpace(errs), "\n") > 0 {
		t.Errorf("exit %d, printed %q and %q", code, out, errs)
	}
}
