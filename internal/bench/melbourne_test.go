package bench

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/spotpool/spotpool/internal/geo"
	"github.com/spotpool/spotpool/internal/match"
)

const melbourneHeader = "Announcement,Origin,Earliesttime,Announcementtime,Origin_Latitude,Origin_Longitude,Destination_Latitude,Destination_Longitude\n"

func TestMelbourneIsRead(t *testing.T) {
	file := "\ufeff" + melbourneHeader +
		"7,1,10.5,-3,-37.8,145,-37.9,145\n\n" +
		"100003,1,20,25,-37.8,145.1,-37.8,145.2\n" +
		"100002,1,30,5,-37.8,145.1,-37.8,145.2\n"
	in, ground, err := parseMelbourne(strings.NewReader(file), 3)
	if err != nil {
		t.Fatal(err)
	}
	// A tenth of a degree of latitude: 11.1195 km × 1.3 at 40 km/h.
	direct := time.Duration(11.1195 * 1.3 / 40 * float64(time.Hour))
	v := in.Vehicles[0]
	if len(in.Vehicles) != 1 || v.ID != 7 || v.Seats != 3 || v.MaxStops != 6 || v.Known != 0 || v.Start != 630*time.Second {
		t.Errorf("driver %+v", v)
	}
	if off := v.End - (v.Start + direct + 20*time.Minute); off.Abs() > time.Millisecond || (v.Leave-v.Start-20*time.Minute).Abs() > time.Millisecond {
		t.Errorf("the driver leaves at %v at the latest and arrives by %v", v.Leave, v.End)
	}
	if len(in.Orders) != 2 || in.Orders[0].ID != 100002 || in.Orders[1].Known != 25*time.Minute || in.Orders[1].Early != 20*time.Minute {
		t.Errorf("riders %+v, by when they are known", in.Orders)
	}
	east := ground.Leg(in.Orders[0].From, in.Orders[0].To)
	if want := 0.1 * 111_195 * math.Cos(37.8*math.Pi/180) * 1.3; math.Abs(east.Metres-want) > 0.01 {
		t.Errorf("a tenth of a degree east is %.2f m, want %.2f", east.Metres, want)
	}
}

func TestBadMelbourneFiles(t *testing.T) {
	driver, rider := "7,1,10,5,-37.8,145,-37.9,145\n", "100002,1,30,5,-37.8,145.1,-37.8,145.2\n"
	for name, c := range map[string]struct{ file, says string }{
		"empty":         {"", "the file is empty"},
		"other file":    {"a,b\n1,2\n", "line 1: the header has no column Announcement"},
		"no rider":      {melbourneHeader + driver, "the file has 1 drivers and 0 riders"},
		"cut off":       {melbourneHeader + driver + "100002,1,30,5,-37.8", "line 3: Origin_Longitude is missing: the row is cut off"},
		"a word":        {melbourneHeader + driver + "100002,1,soon,5,-37.8,145.1,-37.8,145.2", `line 3: Earliesttime is not a usable number: "soon"`},
		"no number":     {melbourneHeader + driver + "100002,1,NaN,5,-37.8,145.1,-37.8,145.2", `line 3: Earliesttime is not a usable number: "NaN"`},
		"huge":          {melbourneHeader + driver + "100002,1,1e300,5,-37.8,145.1,-37.8,145.2", `line 3: Earliesttime is not a usable number: "1e300"`},
		"negative":      {melbourneHeader + driver + "100002,1,-1,5,-37.8,145.1,-37.8,145.2", "line 3: the Earliesttime -1 lies before the day"},
		"negative id":   {melbourneHeader + "-7,1,10,5,-37.8,145,-37.9,145\n" + rider, "line 2: the Announcement -7 is no id"},
		"half an id":    {melbourneHeader + "7.5,1,10,5,-37.8,145,-37.9,145\n" + rider, "line 2: the Announcement 7.5 is no id"},
		"off the globe": {melbourneHeader + "7,1,10,5,-97.8,145,-37.9,145\n" + rider, "line 2: a place is off the globe"},
		"twice":         {melbourneHeader + driver + rider + driver, "line 4: Announcement 7 stands here a second time"},
		"open quote":    {melbourneHeader + driver + "\"100002", `line 3: extraneous or missing " in quoted-field`},
	} {
		path := filepath.Join(t.TempDir(), "bad.csv")
		if err := os.WriteFile(path, []byte(c.file), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := ReadMelbourne(path, 1); err == nil || err.Error() != path+": "+c.says {
			t.Errorf("%s: %v, want %s", name, err, c.says)
		}
	}
}

// The plane's pace holds: no leg is faster along the great circle.
func TestPlanePace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		place := func(name string) geo.Spot {
			return geo.Spot{Point: geo.Point{
				Lat: rapid.Float64Range(-38.6, -37).Draw(t, name+" lat"), Lng: rapid.Float64Range(144, 146).Draw(t, name+" lng"),
			}}
		}
		p := newPlane(37)
		a, b := place("a"), place("b")
		if leg := p.Leg(a, b); leg.Duration > time.Second && geo.Distance(a.Point, b.Point) > p.Pace()*leg.Duration.Seconds() {
			t.Fatalf("%.3f m along the great circle in %v, at most %.3f m/s", geo.Distance(a.Point, b.Point), leg.Duration, p.Pace())
		}
	})
}

// drawMelbourne draws some drivers and riders around one place and time.
func drawMelbourne(t *rapid.T, riders int) (in Instance) {
	degrees := func(name string, around float64) float64 {
		return around + float64(rapid.IntRange(-60, 60).Draw(t, name))/1000
	}
	draw := func(id int) person {
		p := person{id: id, earliest: time.Duration(rapid.IntRange(0, 3600).Draw(t, "earliest")) * time.Second}
		p.announced = p.earliest - time.Duration(rapid.IntRange(-600, 3600).Draw(t, "announced before"))*time.Second
		p.from = geo.Spot{Point: geo.Point{Lat: degrees("lat", -37.8), Lng: degrees("lng", 145)}}
		p.to = geo.Spot{Point: geo.Point{Lat: degrees("lat", -37.8), Lng: degrees("lng", 145)}}
		return p
	}
	for i := range rapid.IntRange(1, 8).Draw(t, "drivers") {
		draw(i).add(&in, riders)
	}
	for i := range rapid.IntRange(1, 12).Draw(t, "riders") {
		draw(firstMelbourneRider+i).add(&in, riders)
	}
	slices.SortStableFunc(in.Orders, func(a, b Order) int { return int(a.Known - b.Known) })
	return in
}

// Who rides with whom by the log of pairs can drive so, was known when it was decided,
// and that was before the driver had to leave; and it saves what is reported.
func TestPairsKeepTheRules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		riders := rapid.IntRange(1, 3).Draw(t, "riders a driver")
		in := drawMelbourne(t, riders)
		var log bytes.Buffer
		got, err := Run(t.Context(), in, Options{
			Ground: newPlane(37), Depart: true, Log: &log, LogPairs: true,
			Settings: match.Settings{
				Policy: rapid.SampledFrom([]string{match.Instant, match.Windowed, match.Best}).Draw(t, "policy"),
				Window: time.Duration(rapid.IntRange(1, 90).Draw(t, "window")) * time.Second,
				Late:   rapid.Bool().Draw(t, "late"), Unserved: float64(rapid.IntRange(0, 1).Draw(t, "unserved")), Moves: 20,
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		cost, served, err := judgePairs(in, riders, log.Bytes())
		if err != nil {
			t.Fatalf("%v\n%s", err, &log)
		}
		// The engine may have decided riders one by one, and then not in the shortest order.
		if reported := got.Driven + got.Lost; served != got.Served || cost > reported+1 || riders == 1 && cost < reported-1 {
			t.Fatalf("reported %+v, judged %.0f m, %d served\n%s", got, cost, served, &log)
		}
	})
}

// judgePairs works out from the pairs alone the least that is driven and lost.
func judgePairs(in Instance, riders int, log []byte) (cost float64, served int, err error) {
	rows, err := csv.NewReader(bytes.NewReader(log)).ReadAll()
	if err != nil {
		return 0, 0, err
	}
	decided, on := map[int]time.Duration{}, map[int][]Order{}
	for _, row := range rows[1:] {
		car, _ := strconv.Atoi(row[0])
		id, _ := strconv.Atoi(row[1])
		minute, err := strconv.ParseFloat(row[2], 64)
		i := slices.IndexFunc(in.Orders, func(o Order) bool { return o.ID == id })
		if err != nil || i < 0 {
			return 0, 0, fmt.Errorf("%v is no pair", row)
		}
		at := time.Duration(minute * float64(time.Minute))
		if at+time.Millisecond < in.Orders[i].Known {
			return 0, 0, fmt.Errorf("%v was decided before it was known", row)
		}
		decided[car] = max(decided[car], at)
		on[car] = append(on[car], in.Orders[i])
		in.Orders = slices.Delete(slices.Clone(in.Orders), i, i+1) // a second row for it is no pair
		served++
	}
	for _, v := range in.Vehicles {
		if len(on[v.ID]) > riders || len(on[v.ID]) > 0 && decided[v.ID] < v.Known-time.Millisecond {
			return 0, 0, fmt.Errorf("driver %d has %d riders, decided at %v", v.ID, len(on[v.ID]), decided[v.ID])
		}
		metres := shortest(v, v.At, max(v.Start, decided[v.ID]), on[v.ID], nil)
		if metres == math.MaxFloat64 {
			return 0, 0, fmt.Errorf("driver %d cannot serve %v decided at %v", v.ID, on[v.ID], decided[v.ID])
		}
		cost += metres
	}
	for _, o := range in.Orders {
		cost += Plane{}.Leg(o.From, o.To).Metres
	}
	return cost, served, nil
}

// shortest tries every order of stops from a place and time on.
func shortest(v Vehicle, here geo.Spot, now time.Duration, waiting, aboard []Order) float64 {
	const slack = time.Millisecond
	best := math.MaxFloat64
	leg := func(to geo.Spot) geo.Leg { return Plane{}.Leg(here, to) }
	if len(waiting)+len(aboard) == 0 {
		if end := leg(*v.Dest); now+end.Duration <= v.End+slack {
			best = end.Metres
		}
		return best
	}
	for i, o := range waiting {
		rest := slices.Delete(slices.Clone(waiting), i, i+1)
		way := leg(o.From)
		best = min(best, way.Metres+shortest(v, o.From, max(now+way.Duration, o.Early), rest, append(slices.Clone(aboard), o)))
	}
	for i, o := range aboard {
		if way := leg(o.To); now+way.Duration <= o.Late+slack {
			best = min(best, way.Metres+shortest(v, o.To, now+way.Duration, waiting, slices.Delete(slices.Clone(aboard), i, i+1)))
		}
	}
	return best
}
