package sim

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/spotpool/spotpool/internal/geo"
)

const (
	nycHeader = "VendorID,lpep_pickup_datetime,Lpep_dropoff_datetime,Pickup_longitude,Pickup_latitude,Dropoff_longitude,Dropoff_latitude,Passenger_count,Trip_type \r\n"
	nycRow    = "2,2013-08-01 08:14:37,2013-08-01 09:09:06,-73.95,40.75,-73.90,40.80,2,\n"
	melHeader = "Announcement,Origin,Destination,Earliesttime,Origin_Latitude,Origin_Longitude,Destination_Latitude,Destination_Longitude\r\n"
)

func TestReadNewYork(t *testing.T) {
	rec, err := ReadRides(strings.NewReader(nycHeader+"\n"+
		"2,2013-08-01 10:00:00,x,-73.95,40.75,-73.90,40.80,6,,,extra\n"+
		"2,2013-08-01 08:14:37,x,0,0,0,0,1,\n"+ // nowhere
		"2,2013-08-01 08:14:37,x,,,,,1,\n"+ // nowhere
		" , , ,,,,,,\n"+ // blank
		"2,2013-08-01 08:14:37,x,-73.95,40.75,-73.95,40.75,1,\n"+ // not moved
		"2,2013-08-01 09:00:00,x,-73.95,40.75,-73.90,40.80,0,\n"), 0.5)
	if err != nil {
		t.Fatal(err)
	}
	from, to := geo.Point{Lat: 40.75, Lng: -73.95}, geo.Point{Lat: 40.80, Lng: -73.90}
	want := []Ride{{from, to, 0, 1, false}, {from, to, time.Hour, carSeats, true}}
	if len(rec.Rides) != 2 || rec.Rides[0] != want[0] || rec.Rides[1] != want[1] || rec.Skipped != 3 {
		t.Errorf("got %+v", rec)
	}
}

func TestReadMelbourne(t *testing.T) {
	rec, err := ReadRides(strings.NewReader("\ufeff"+melHeader+
		"100001,1,1,61.5,-37.94,144.69,-37.90,144.68\r\n"+
		"99999,1,1,60,-37.80,144.69,-37.70,144.68"), 0.3)
	if err != nil {
		t.Fatal(err)
	}
	driver := Ride{geo.Point{Lat: -37.80, Lng: 144.69}, geo.Point{Lat: -37.70, Lng: 144.68}, 0, carSeats, true}
	rider := Ride{geo.Point{Lat: -37.94, Lng: 144.69}, geo.Point{Lat: -37.90, Lng: 144.68}, 90 * time.Second, 1, false}
	if len(rec.Rides) != 2 || rec.Rides[0] != driver || rec.Rides[1] != rider {
		t.Errorf("got %+v", rec)
	}
	if first := rec.First(1).Rides; len(first) != 1 || first[0] != driver {
		t.Errorf("the first: %+v", first)
	}
	if all := rec.First(9).Rides; len(all) != 2 {
		t.Errorf("the first nine: %+v", all)
	}
}

func TestReadSaysWhatIsWrong(t *testing.T) {
	for name, c := range map[string]struct{ file, want string }{
		"empty":        {"", "the file is empty"},
		"blank":        {"\n\n\n", "the file is empty"},
		"other":        {"a,b,c\n1,2,3\n", "line 1: not a header of a known recording (New York green taxis, Melbourne ride-sharing)"},
		"binary":       {"\x1f\x8b\x08\x00\x00", "line 1: not a header of a known recording (New York green taxis, Melbourne ride-sharing)"},
		"quote":        {nycHeader + nycRow + "2,\"2013", "line 3: extraneous or missing \" in quoted-field"},
		"header only":  {nycHeader, "none of the 0 rows is a usable ride"},
		"nothing used": {nycHeader + "2,2013-08-01 08:14:37,x,0,0,0,0,1,\n", "none of the 1 rows is a usable ride"},
		"cut off":      {nycHeader + "\n" + nycRow + "2,2013-08-01 08:14:37,2013", "line 4: Pickup_latitude is missing: the row is cut off"},
		"letters":      {nycHeader + strings.Replace(nycRow, "40.75", "north", 1), "line 2: Pickup_latitude is not a number: \"north\""},
		"not finite":   {nycHeader + strings.Replace(nycRow, "40.75", "NaN", 1), "line 2: Pickup_latitude is not a number: \"NaN\""},
		"off":          {nycHeader + strings.Replace(nycRow, "40.75", "91", 1), "line 2: Pickup_latitude and Pickup_longitude are off the globe: 91, -73.95"},
		"no time":      {nycHeader + strings.Replace(nycRow, "2013-08-01 08:14:37", "8 o'clock", 1), "line 2: lpep_pickup_datetime is not a time: \"8 o'clock\""},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "rides.csv")
			if err := os.WriteFile(path, []byte(c.file), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := ReadFile(path, 0.3)
			if err == nil || strings.Contains(err.Error(), "\n") {
				t.Fatalf("not one line: %v", err)
			}
			if err.Error() != path+": "+c.want {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
	dir := t.TempDir()
	for path, want := range map[string]string{
		filepath.Join(dir, "none.csv"): "no such file or directory",
		dir:                            "is a directory",
	} {
		if _, err := ReadFile(path, 0.3); err == nil || err.Error() != path+": "+want {
			t.Errorf("got %v", err)
		}
	}
}

func TestDriversAreSpreadEvenly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rides := make([]Ride, rapid.IntRange(1, 300).Draw(t, "rides"))
		share := float64(rapid.IntRange(0, 100).Draw(t, "percent")) / 100
		markDrivers(rides, share)
		n := 0.0
		for i, r := range rides {
			if r.Driver {
				n++
			}
			if off := n - share*float64(i+1); math.Abs(off) > 1+1e-9 {
				t.Fatalf("%g drivers among the first %d", n, i+1)
			}
		}
	})
}

func FuzzReadRides(f *testing.F) {
	f.Add(nycHeader + nycRow)
	f.Add(melHeader + "1,1,1,61.5,-37.94,144.69,-37.90,144.68\n")
	f.Fuzz(func(t *testing.T, file string) {
		rec, err := ReadRides(strings.NewReader(file), 0.3)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than a line: %q", err)
			}
			return
		}
		last := time.Duration(0)
		for _, r := range rec.Rides {
			if !r.Origin.Valid() || !r.Dest.Valid() || r.Start < last || r.Seats < 1 || r.Seats > carSeats {
				t.Fatalf("unusable: %+v", r)
			}
			last = r.Start
		}
	})
}
