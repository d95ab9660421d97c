package bench

import (
	"bufio"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spotpool/spotpool/internal/geo"
	"github.com/spotpool/spotpool/internal/match"
)

// places is some nodes, joined by roads but for the last, which is an island.
type places int

func (p places) Nodes() int          { return int(p) }
func (p places) Node(i int) geo.Spot { return geo.Spot{Node: int32(i)} }
func (p places) Leg(from, to geo.Spot) geo.Leg {
	if last := int32(p - 1); from != to && (from.Node == last || to.Node == last) {
		return geo.Unreachable
	}
	return geo.Leg{Duration: time.Second}
}

// small is an instance on ten nodes, as a file's lines.
var small = []string{
	"small", "grid TAXI", "VEHICLES 2", "CUSTOMERS 2", "", "ID\tORIGIN\tDEST\tQ\tEARLY\tLATE",
	"1\t0\t-1\t-3\t0\t-1", "2\t4\t9\t-4\t30\t600", "3\t5\t6\t1\t12.5\t400", "4\t7\t2\t2\t0\t500",
}

func TestInstanceIsRead(t *testing.T) {
	at := func(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
	for name, end := range map[string]string{"unix": "\n", "windows": "\r\n", "blank lines": "\n\n"} {
		head := strings.Join(small[:6], strings.Trim(end, "\n")+"\n")
		in, err := parseInstance(strings.NewReader(head+end+strings.Join(small[6:], end)+end), places(10))
		if err != nil {
			t.Fatal(name, err)
		}
		if in.Name != "small" || len(in.Vehicles) != 2 || len(in.Orders) != 2 {
			t.Fatal(name, in)
		}
		if v := in.Vehicles[0]; v.ID != 1 || v.Seats != 3 || v.Dest != nil || v.End != match.NoLimit || v.Start != 0 {
			t.Errorf("%s: taxi %+v", name, v)
		}
		if v := in.Vehicles[1]; v.At.Node != 4 || v.Dest == nil || v.Dest.Node != 9 || v.Start != at(30) || v.End != at(600) {
			t.Errorf("%s: carpool driver %+v", name, v)
		}
		want := []Order{
			{ID: 4, From: geo.Spot{Node: 7}, To: geo.Spot{Node: 2}, Seats: 2, Until: at(60), Late: at(500)},
			{ID: 3, From: geo.Spot{Node: 5}, To: geo.Spot{Node: 6}, Seats: 1, Known: at(12.5), Until: at(72.5), Early: at(12.5), Late: at(400)},
		}
		if !slices.Equal(in.Orders, want) {
			t.Errorf("%s: orders %+v, want %+v", name, in.Orders, want)
		}
		if few := in.First(1); len(few.Vehicles) != 1 || len(in.First(7).Vehicles) != 2 {
			t.Errorf("%s: the first one is %+v", name, few)
		}
	}
}

func TestBadInstances(t *testing.T) {
	// Each case replaces one line of the small instance, or cuts the file off there.
	for name, c := range map[string]struct {
		line int
		text string
		says string
	}{
		"empty":              {1, "cut", "line 1: the file ends within its head"},
		"cut in the head":    {4, "cut", "line 3: the file ends within its head"},
		"cut in the rows":    {9, "cut", "line 8: the file ends with 2 of 2 vehicles and 0 of 2 customers"},
		"cut within a row":   {10, "4\t7\t2", "line 10: want 6 columns, have 3"},
		"no vehicles":        {3, "VEHICLES 0", "line 3: VEHICLES is not between 1 and 5000000: 0"},
		"huge count":         {4, "CUSTOMERS 99999999999999999999", "line 4: CUSTOMERS is not between 1 and 5000000: 99999999999999999999"},
		"negative count":     {4, "CUSTOMERS -5", "line 4: CUSTOMERS is not between 1 and 5000000: -5"},
		"count is a word":    {4, "CUSTOMERS many", `line 4: CUSTOMERS is not a whole number: "many"`},
		"other counts":       {3, "CARS 3", `line 3: want VEHICLES and how many, have "CARS 3"`},
		"too few counted":    {4, "CUSTOMERS 1", "line 10: the file ends with 2 of 2 vehicles and 2 of 1 customers"},
		"other header":       {6, "ID FROM TO", `line 6: want the header ID ORIGIN DEST Q EARLY LATE, have "ID FROM TO"`},
		"unknown node":       {9, "3 10 6 1 12 400", "line 9: ORIGIN is not between 0 and 9: 10"},
		"negative node":      {9, "3 5 -6 1 12 400", "line 9: DEST is not between 0 and 9: -6"},
		"rider goes nowhere": {9, "3 5 -1 1 12 400", "line 9: DEST is not between 0 and 9: -1"},
		"vehicle's unknown":  {8, "2 4 77 -4 30 600", "line 8: DEST is not between 0 and 9: 77"},
		"node is a word":     {9, "3 here 6 1 12 400", `line 9: ORIGIN is not a whole number: "here"`},
		"Q 0":                {9, "3 5 6 0 12 400", "line 9: a Q of 0 is neither"},
		"huge Q":             {7, "1 0 -1 -2000000000 0 -1", "line 7: Q is not between -1000 and 1000: -2000000000"},
		"late before early":  {9, "3 5 6 1 12 11", "line 9: LATE 11 lies before EARLY 12"},
		"no late":            {9, "3 5 6 1 12 -1", "line 9: LATE -1 lies before EARLY 12"},
		"vehicle's late":     {8, "2 4 9 -4 30 20", "line 8: LATE 20 lies before EARLY 30"},
		"negative early":     {9, "3 5 6 1 -12 400", "line 9: EARLY is not between 0 and 1e+08: -12"},
		"huge late":          {9, "3 5 6 1 12 1e300", "line 9: LATE is not between -1 and 1e+08: 1e300"},
		"time is a word":     {9, "3 5 6 1 noon 400", `line 9: EARLY is not a number: "noon"`},
		"time is no number":  {9, "3 5 6 1 NaN 400", `line 9: EARLY is not a number: "NaN"`},
		"negative id":        {9, "-3 5 6 1 12 400", "line 9: ID is not between 0 and 2147483647: -3"},
		"no road":            {9, "3 5 9 1 12 400", "line 9: no road leads from node 5 to node 9"},
		"twice the same id":  {9, "2 5 6 1 12 400", "line 9: ID 2 stands here a second time"},
		"endless line":       {9, strings.Repeat("3 ", bufio.MaxScanTokenSize), "line 9: bufio.Scanner: token too long"},
	} {
		lines := slices.Clone(small)
		if lines[c.line-1] = c.text; c.text == "cut" {
			lines = lines[:c.line-1]
		}
		path := filepath.Join(t.TempDir(), "bad.instance")
		if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := ReadInstance(path, places(10))
		if err == nil || !strings.HasPrefix(err.Error(), path+": "+c.says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %s", name, err, c.says)
		}
	}
	path := filepath.Join(t.TempDir(), "missing")
	if _, err := ReadInstance(path, places(10)); err == nil || err.Error() != path+": no such file or directory" {
		t.Errorf("missing file: %v", err)
	}
}
