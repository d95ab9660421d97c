package bench

import (
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spotpool/spotpool/internal/geo"
)

// The ride-sharing instances of Najmi, Rey and Rashidi (Transportation Research E
// 108, 2017), as they are measured here.
const (
	firstMelbourneRider = 100_000 // ids below are drivers'
	melbournePatience   = 20 * time.Minute
	kmPerDegree         = 111.195
	planeCircuity       = 1.3
	planeSpeed          = 40 / 3.6 // metres a second
)

// planeParallel is the cosine of Melbourne's latitude.
var planeParallel = math.Cos(37.8 * math.Pi / 180)

// Plane is the ground of a Melbourne instance: degrees laid out as a plane at
// Melbourne's latitude, straight lines times 1.3, 40 km/h. Vehicles turn every block.
type Plane struct{ pace float64 }

// Locate implements geo.Travel: every point is a spot.
func (p Plane) Locate(at geo.Point) geo.Spot { return geo.Spot{Point: at} }

// Leg implements geo.Travel.
func (p Plane) Leg(from, to geo.Spot) geo.Leg {
	km := math.Hypot((to.Lng-from.Lng)*kmPerDegree*planeParallel, (to.Lat-from.Lat)*kmPerDegree)
	metres := km * 1000 * planeCircuity
	return geo.Leg{Metres: metres, Duration: time.Duration(metres / planeSpeed * float64(time.Second))}
}

// Pace implements geo.Travel.
func (p Plane) Pace() float64 { return p.pace }

// Way implements Ground.
func (p Plane) Way(from, to geo.Spot) Way { return line{from, to, p.Leg(from, to).Duration} }

// newPlane returns the plane for places up to a latitude: towards the equator, where
// it has the parallels too short, a vehicle gets faster along the great circle.
func newPlane(nearest float64) Plane {
	const rounding = 1.001 // of the kilometres of a degree, and of legs cut to nanoseconds
	stretch := max(1, math.Cos(nearest*math.Pi/180)/planeParallel)
	return Plane{planeSpeed / planeCircuity * stretch * rounding}
}

// melbourneColumns are the columns that are read, in the order of their cells.
var melbourneColumns = []string{
	"Announcement", "Announcementtime", "Earliesttime",
	"Origin_Latitude", "Origin_Longitude", "Destination_Latitude", "Destination_Longitude",
}

// ReadMelbourne reads drivers, who take up to so many riders each before they
// leave, and riders. Everybody arrives within 20 minutes more than the direct way
// takes from the earliest departure. An error is one line, "path: line 7: what is wrong".
func ReadMelbourne(path string, riders int) (Instance, Plane, error) {
	f, err := os.Open(path)
	if err != nil {
		return Instance{}, Plane{}, fmt.Errorf("%s: %w", path, pathless(err))
	}
	defer f.Close()
	in, ground, err := parseMelbourne(f, riders)
	if err != nil {
		return Instance{}, Plane{}, fmt.Errorf("%s: %w", path, pathless(err))
	}
	in.Name = strings.TrimSuffix(filepath.Base(path), ".csv")
	return in, ground, nil
}

func parseMelbourne(r io.Reader, riders int) (in Instance, ground Plane, err error) {
	rows := csv.NewReader(r)
	rows.FieldsPerRecord, rows.ReuseRecord = -1, true
	header, err := rows.Read()
	if err == io.EOF {
		return in, ground, errors.New("the file is empty")
	}
	if err != nil {
		return in, ground, atLine(err)
	}
	cells, err := columnsOf(header)
	if err != nil {
		return in, ground, err
	}
	seen, nearest := map[int]bool{}, 90.0
	for {
		record, err := rows.Read()
		if err == io.EOF {
			break
		} else if err != nil {
			return in, ground, atLine(err)
		}
		p, err := readPerson(record, cells)
		if line, _ := rows.FieldPos(0); err != nil {
			return in, ground, fmt.Errorf("line %d: %w", line, err)
		} else if seen[p.id] {
			return in, ground, fmt.Errorf("line %d: Announcement %d stands here a second time", line, p.id)
		}
		seen[p.id] = true
		nearest = min(nearest, math.Abs(p.from.Lat), math.Abs(p.to.Lat))
		p.add(&in, riders)
	}
	if len(in.Vehicles) == 0 || len(in.Orders) == 0 {
		return in, ground, fmt.Errorf("the file has %d drivers and %d riders", len(in.Vehicles), len(in.Orders))
	}
	slices.SortStableFunc(in.Orders, func(a, b Order) int { return cmp.Compare(a.Known, b.Known) })
	return in, newPlane(nearest), nil
}

// person is a row: somebody who drives or wants to ride.
type person struct {
	id                  int
	announced, earliest time.Duration
	from, to            geo.Spot
}

func readPerson(record []string, cells []int) (p person, err error) {
	var n [7]float64
	for i, name := range melbourneColumns {
		if cells[i] >= len(record) {
			return p, fmt.Errorf("%s is missing: the row is cut off", name)
		}
		text := strings.TrimSpace(record[cells[i]])
		if n[i], err = strconv.ParseFloat(text, 64); err != nil || math.IsNaN(n[i]) || math.Abs(n[i]) > 1e6 {
			return p, fmt.Errorf("%s is not a usable number: %.40q", name, text)
		}
	}
	p = person{
		id:        int(n[0]),
		announced: minutes(n[1]), earliest: minutes(n[2]),
		from: geo.Spot{Point: geo.Point{Lat: n[3], Lng: n[4]}},
		to:   geo.Spot{Point: geo.Point{Lat: n[5], Lng: n[6]}},
	}
	switch {
	case n[0] != math.Trunc(n[0]) || n[0] < 0:
		err = fmt.Errorf("the Announcement %g is no id", n[0])
	case n[2] < 0:
		err = fmt.Errorf("the Earliesttime %g lies before the day", n[2])
	case !p.from.Valid() || !p.to.Valid():
		err = errors.New("a place is off the globe")
	}
	return p, err
}

// minutes returns the duration of so many minutes, to the millisecond.
func minutes(n float64) time.Duration {
	return time.Duration(math.Round(n*60_000)) * time.Millisecond
}

// add puts the person into the instance. What is announced before the day begins is
// known when it begins.
func (p person) add(in *Instance, riders int) {
	known := max(p.announced, 0)
	direct := Plane{}.Leg(p.from, p.to).Duration
	latest := p.earliest + direct + melbournePatience
	if p.id >= firstMelbourneRider {
		in.Orders = append(in.Orders, Order{
			ID: p.id, From: p.from, To: p.to, Seats: 1, Known: known, Until: latest - direct, Early: p.earliest, Late: latest,
		})
		return
	}
	in.Vehicles = append(in.Vehicles, Vehicle{
		ID: p.id, At: p.from, Dest: &p.to, Seats: riders, MaxStops: 2 * riders,
		Known: known, Start: max(known, p.earliest), Leave: latest - direct, End: latest,
	})
}

// columnsOf finds the columns in a header.
func columnsOf(header []string) (cells []int, err error) {
	for _, name := range melbourneColumns {
		i := slices.IndexFunc(header, func(cell string) bool {
			return strings.TrimSpace(strings.TrimPrefix(cell, "\ufeff")) == name
		})
		if i < 0 {
			return nil, fmt.Errorf("line 1: the header has no column %s", name)
		}
		cells = append(cells, i)
	}
	return cells, nil
}

// atLine shortens a CSV reader's error to the line and what is wrong.
func atLine(err error) error {
	if p, ok := errors.AsType[*csv.ParseError](err); ok {
		return fmt.Errorf("line %d: %w", p.Line, p.Err)
	}
	return err
}
