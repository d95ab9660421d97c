package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spotpool/spotpool/internal/bench"
)

// blocks writes a street grid with the given side and an instance on it, and returns
// the prefix of the roads and the instance's path.
func blocks(t *testing.T, side int) (roads, instance string) {
	t.Helper()
	var edges, rnet []string
	join := func(a, b int) {
		place := func(n int) string {
			return fmt.Sprintf("%.6f %.6f", 121+float64(n%side)*0.0008, 31+float64(n/side)*0.0008)
		}
		rnet = append(rnet, fmt.Sprintf("%d %d %d %s %s", len(edges), a, b, place(a), place(b)))
		edges = append(edges, fmt.Sprintf("%d %d 100", a, b))
	}
	for n := range side * side {
		if n%side > 0 {
			join(n-1, n)
		}
		if n >= side {
			join(n-side, n)
		}
	}
	rows := []string{"blocks", "grid TAXI", "VEHICLES 3", "CUSTOMERS 8", "", "ID\tORIGIN\tDEST\tQ\tEARLY\tLATE"}
	for v := range 3 {
		rows = append(rows, fmt.Sprintf("%d\t%d\t-1\t-3\t0\t-1", v+1, v*7%(side*side)))
	}
	for c := range 8 {
		rows = append(rows, fmt.Sprintf("%d\t%d\t%d\t1\t%d\t%d", c+4, c*5%(side*side), (c*11+3)%(side*side), c*20, c*20+400))
	}
	dir := t.TempDir()
	write := func(name string, lines ...string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("blocks.edges", append([]string{fmt.Sprint(side*side, len(edges))}, edges...)...)
	write("blocks.rnet", rnet...)
	return filepath.Join(dir, "blocks"), write("blocks.instance", rows...)
}

func TestBenchMatch(t *testing.T) {
	roads, instance := blocks(t, 6)
	log := filepath.Join(t.TempDir(), "run.csv")
	for _, policy := range policies {
		args := []string{"bench", "match", "--instance", instance, "--roads", roads, "--policy", policy, "--moves", "50", "--log", log}
		code, out, errs := command(t, append(args, "--json")...)
		var r bench.Report
		if err := json.Unmarshal([]byte(out), &r); err != nil || code != exitOK || errs != "" {
			t.Fatalf("%s: exit %d, %v\n%s%s", policy, code, err, out, errs)
		}
		if r.Instance != "blocks" || r.Policy != policy || r.Vehicles != 3 || r.Orders != 8 || r.Served == 0 || r.CostBase <= 0 {
			t.Errorf("%s: %+v", policy, r)
		}
		rows, err := os.ReadFile(log)
		if err != nil || !strings.HasPrefix(string(rows), "vehicle,time_s,node,event,order,decided_s\n") || strings.Count(string(rows), "dropoff") != r.Served {
			t.Errorf("%s: %v, log\n%s", policy, err, rows)
		}
		code, out, _ = command(t, append(args, "--vehicles", "1")...)
		if code != exitOK || !strings.Contains(out, "vehicles                        1\n") {
			t.Errorf("%s, one vehicle: exit %d\n%s", policy, code, out)
		}
	}
}

func TestBenchMatchCity(t *testing.T) {
	for _, kind := range []string{"--taxis", "--taxis=false"} {
		code, out, errs := command(t, "bench", "match", "--city", "--vehicles", "50", "--orders", "30", "--over", "5m", "--seed", "2", kind)
		if code != exitOK || errs != "" || !strings.Contains(out, "orders                          30\n") {
			t.Errorf("exit %d\n%s%s", code, out, errs)
		}
	}
}

func TestBenchMatchMelbourne(t *testing.T) {
	path, log := filepath.Join(t.TempDir(), "day.csv"), filepath.Join(t.TempDir(), "pairs.csv")
	day := "Announcement,Announcementtime,Earliesttime,Origin_Latitude,Origin_Longitude,Destination_Latitude,Destination_Longitude\n" +
		"1,0,10,-37.8,145,-37.9,145\n100001,0,15,-37.81,145,-37.89,145\n"
	if err := os.WriteFile(path, []byte(day), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errs := command(t, "bench", "match", "--melbourne", path, "--policy", "windowed", "--window", "60s", "--late", "--unserved", "1", "--log", log)
	if code != exitOK || errs != "" || !strings.Contains(out, "served                          1  100.00 %\n") || !strings.Contains(out, "saved                           44.44 %\n") {
		t.Fatalf("exit %d\n%s%s", code, out, errs)
	}
	// The rider lies on the driver's way, who must leave at minute 30: that window decides.
	if rows, err := os.ReadFile(log); err != nil || string(rows) != "vehicle,order,decided_min\n1,100001,30\n" {
		t.Errorf("%v\n%s", err, rows)
	}
}

func TestBenchMatchRefuses(t *testing.T) {
	roads, instance := blocks(t, 3)
	// spoil writes a copy of a file with one line replaced and returns its path.
	spoil := func(path string, line int, text string) string {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(string(raw), "\n")
		lines[line-1] = text
		bad := filepath.Join(t.TempDir(), filepath.Base(path))
		if err := os.WriteFile(bad, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
			t.Fatal(err)
		}
		return bad
	}
	// withRoads returns the prefix of roads of which one line is replaced.
	withRoads := func(end string, line int, text string) string {
		prefix := strings.TrimSuffix(spoil(roads+end, line, text), end)
		for _, other := range []string{".edges", ".rnet"} {
			if raw, err := os.ReadFile(roads + other); other != end && (err != nil || os.WriteFile(prefix+other, raw, 0o600) != nil) {
				t.Fatal(err)
			}
		}
		return prefix
	}
	on := func(instance, roads string) string { return "--instance " + instance + " --roads " + roads }
	for name, c := range map[string]struct{ args, says string }{
		"nothing":        {"", "name one instance"},
		"two":            {"--city --instance x", "name one instance"},
		"no roads":       {"--instance " + instance, "needs the roads"},
		"foreign flag":   {"--city --riders-per-driver 2", "--riders-per-driver means nothing with --city"},
		"city's log":     {"--city --log x", "--log means nothing with --city"},
		"policy":         {"--city --policy magic", `no policy "magic"`},
		"lock":           {"--city --lock never", `--lock is pickup or told, not "never"`},
		"window":         {"--city --window 1ms", "--window is between"},
		"budget":         {"--city --budget -1s", "must not be negative"},
		"hold":           {"--city --hold 2h", "--hold is between"},
		"weight":         {"--city --waiting NaN", "--waiting and --unserved are at most"},
		"too many":       {"--city --vehicles 2000000000", "at most"},
		"no orders":      {"--city --orders 0", "must be positive"},
		"argument":       {"--city more", `unexpected argument "more"`},
		"no file":        {on("/no/such/file", roads), "/no/such/file: no such file"},
		"roads no file":  {on(instance, "/no/such/roads"), "/no/such/roads.edges"},
		"melbourne none": {"--melbourne /no/such/day.csv", "/no/such/day.csv: no such file"},
		"log nowhere":    {on(instance, roads) + " --log /no/such/dir/run.csv", "/no/such/dir/run.csv"},
		"unknown node":   {on(spoil(instance, 11, "5 9 3 1 20 420"), roads), "blocks.instance: line 11: ORIGIN is not between 0 and 8: 9"},
		"cut off":        {on(spoil(instance, 12, "6 1"), roads), "blocks.instance: line 12: want 6 columns, have 2"},
		"road negative":  {on(instance, withRoads(".edges", 2, "0 1 -100")), "blocks.edges:2: "},
		"road to nodes":  {on(instance, withRoads(".edges", 2, "0 99 100")), "blocks.edges:2: "},
		"road a word":    {on(instance, withRoads(".edges", 2, "0 1 far")), "blocks.edges:2: "},
		"roads huge":     {on(instance, withRoads(".edges", 1, "99999999999 12")), "blocks.edges:1: "},
		"place a word":   {on(instance, withRoads(".rnet", 2, "1 0 3 here 31 121 31")), "blocks.rnet:2: "},
	} {
		code, out, errs := command(t, append([]string{"bench", "match"}, strings.Fields(c.args)...)...)
		if code != exitUsage || out != "" || strings.Count(errs, "\n") != 1 || !strings.Contains(errs, c.says) {
			t.Errorf("%s: exit %d, printed %q and %q, want %q", name, code, out, errs, c.says)
		}
	}
	if code, _, errs := command(t, "bench", "drive"); code != exitUsage || !strings.Contains(errs, `no command "drive" of 'bench'`) {
		t.Errorf("exit %d, %s", code, errs)
	}
}
