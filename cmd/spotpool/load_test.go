package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLoadRefusesWhatMakesNoSense(t *testing.T) {
	rides := filepath.Join(t.TempDir(), "rides.csv")
	if err := os.WriteFile(rides, []byte("a,b\n1,2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"--city=false"}, "--replay"},
		{[]string{"--replay", "no/such/file"}, "no/such/file: no such file"},
		{[]string{"--replay", rides}, "line 1: not a header of a known recording"},
		{[]string{"--replay", rides, "--rate", "5"}, "--rate does not go with --replay"},
		{[]string{"--replay", rides, "--city"}, "--city does not go with --replay"},
		{[]string{"--replay", rides, "--driver-share", "1"}, "--driver-share"},
		{[]string{"--replay", rides, "--over", "0s"}, "--over"},
		{[]string{"--replay", rides, "--limit", "-1"}, "--limit"},
		{[]string{"--limit", "5"}, "--limit does not go with the city"},
		{[]string{"--rate", "0"}, "--rate"},
		{[]string{"--rate", "5,-1"}, "--rate: -1"},
		{[]string{"--rate", "NaN"}, "--rate"},
		{[]string{"--rate", "fast"}, "--rate"},
		{[]string{"--rate", "1e9"}, "--rate"},
		{[]string{"--rate", "10000", "--duration", "1h"}, "orders"},
		{[]string{"--duration", "0s"}, "--duration"},
		{[]string{"--ramp", "-1s"}, "--ramp"},
		{[]string{"--drivers", "-1"}, "--drivers"},
		{[]string{"--taxi-share", "1.1"}, "--taxi-share"},
		{[]string{"--workers", "0"}, "--workers"},
		{[]string{"--slo", "0s"}, "--slo"},
		{[]string{"--deadline", "0s"}, "--deadline"},
		{[]string{"--settle", "-1s"}, "--settle"},
		{[]string{"--server", "localhost:8080"}, "--server"},
		{[]string{"--server", "ftp://x"}, "--server"},
		{[]string{"--processes", "2"}, "--processes needs --database and --redis"},
		{[]string{"--processes", "-1"}, "--processes"},
		{[]string{"--processes", "1", "--server", "http://x"}, "--processes does not go with --server"},
		{[]string{"--max-jobs", "5"}, "--max-jobs"},
		{[]string{"--limits"}, "--limits needs a MySQL server"},
		{[]string{"--report", t.TempDir()}, "is a directory"},
		{[]string{"--report", filepath.Join(t.TempDir(), "no", "page.html")}, "no such file or directory"},
		{[]string{"now"}, `"now"`},
		{[]string{"--orders", "5"}, "--orders goes with --day only"},
		{[]string{"--no-shows", "5"}, "--no-shows goes with --day only"},
		{[]string{"--day", "--rate", "5"}, "--rate does not go with --day"},
		{[]string{"--day", "--replay", rides}, "--replay does not go with --day"},
		{[]string{"--day", "--server", "http://x"}, "--server does not go with --day"},
		{[]string{"--day", "--sms-outage", "5"}, "--sms-outage does not go with --day"},
		{[]string{"--day", "--orders", "0"}, "--orders must be from 1"},
		{[]string{"--day", "--orders", "1000000"}, "--orders must be from 1"},
		{[]string{"--day", "--day-length", "1m"}, "--day-length"},
		{[]string{"--day", "--driver-cancels", "101"}, "--driver-cancels is a percentage"},
		{[]string{"--day", "--rider-cancels", "-1"}, "--rider-cancels is a percentage"},
		{[]string{"--day", "--no-shows", "NaN"}, "--no-shows is a percentage"},
		{[]string{"--day", "--gateway-errors", "1e9"}, "--gateway-errors is a percentage"},
		{[]string{"--day", "--sms-errors", "many"}, "--sms-errors"},
		{[]string{"--day", "--clock-speed", "0.5"}, "--clock-speed"},
		{[]string{"--day", "--taxi-share", "2"}, "--taxi-share"},
		{[]string{"--day", "--processes", "2"}, "--processes needs --database and --redis"},
	} {
		code, out, errs := command(t, append([]string{"load", "--data", t.TempDir()}, c.args...)...)
		if code != exitUsage || out != "" || !strings.Contains(errs, c.says) || strings.Count(errs, "\n") != 1 {
			t.Errorf("%v: exit %d, printed %q and %q; want one line that says %s, and exit 2", c.args, code, out, errs, c.says)
		}
	}
}

// A load test without any flag that matters starts a server of its own, leaves
// nothing behind but its report, and finds every rule kept.
func TestLoadOnAServerOfItsOwn(t *testing.T) {
	t.Setenv(childVar, "1")
	page := filepath.Join(t.TempDir(), "load.html")
	// where names a data directory; what is embedded here must be on a fresh one.
	args := append([]string{"load", "--rate", "5,10", "--ramp", "0s", "--duration", "2s", "--drivers", "60", "--deadline", "3s", "--json", "--report", page},
		where(t)[2:]...)
	t.Setenv("TMPDIR", t.TempDir())
	code, out, errs := command(t, args...)
	var r struct {
		Trips int               `json:"trips_offered"`
		Steps []json.RawMessage `json:"steps"`
		Total struct {
			Offered, Accepted, Confirmed int
		} `json:"total"`
		Audit  []json.RawMessage `json:"audit"`
		Series []json.RawMessage `json:"series"`
	}
	if err := json.Unmarshal([]byte(out), &r); code != exitOK || err != nil {
		t.Fatalf("exit %d, %v\n%s%s", code, err, out, errs)
	}
	if n := r.Total.Offered; n < 10 || r.Total.Accepted != n || r.Total.Confirmed < n*8/10 ||
		r.Trips < 60 || len(r.Steps) != 2 || len(r.Audit) < 8 || len(r.Series) < 4 {
		t.Errorf("%+v\n%s", r, errs)
	}
	if raw, err := os.ReadFile(page); err != nil || !strings.Contains(string(raw), "<polyline") {
		t.Errorf("no report: %v", err)
	}
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// Beside a running server a recording is replayed, and a broken rule is exit 1.
func TestLoadReplaysAgainstARunningServer(t *testing.T) {
	at := where(t)
	p := launch(t, append([]string{"serve"}, at...)...)
	rides := filepath.Join(t.TempDir(), "rides.csv")
	rows := "lpep_pickup_datetime,Pickup_latitude,Pickup_longitude,Dropoff_latitude,Dropoff_longitude,Passenger_count\n" +
		strings.Repeat("2013-08-01 08:10:00,31.2304,121.4710,31.1940,121.3210,1\n", 20)
	if err := os.WriteFile(rides, []byte(rows), 0o600); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"load", "--server", p.base, "--replay", rides, "--over", "1s"}, at...)
	code, out, errs := command(t, args...)
	if code != exitOK || !strings.Contains(strings.Join(strings.Fields(out), " "), "confirmed 14 (100.0 %)") || strings.Count(out, "ok      ") < 8 {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
	if err := beside(t, at, func(a *app) error { return damage(t.Context(), a) }); err != nil {
		t.Fatal(err)
	}
	code, out, _ = command(t, append(args, "--settle", "0s")...)
	if code != exitFailed || !strings.Contains(out, "BROKEN  no flow stuck") {
		t.Errorf("with a lost job: exit %d\n%s", code, out)
	}
}

func TestLoadSaysThatTheServerIsAway(t *testing.T) {
	at := where(t)
	if code, _, errs := command(t, append([]string{"migrate"}, at...)...); code != exitOK {
		t.Fatal(errs)
	}
	code, out, errs := command(t, append([]string{"load", "--server", "http://127.0.0.1:1"}, at...)...)
	if code != exitFailed || out != "" || !strings.Contains(errs, "the server cannot be used") {
		t.Errorf("exit %d, %s", code, errs)
	}
}
