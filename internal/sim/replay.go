package sim

import (
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spotpool/spotpool/internal/geo"
)

const (
	carSeats     = 4     // that a recorded driver offers; no recording tells
	firstRider   = 100e3 // ids below are drivers, in the Melbourne instances
	shortestRide = 100   // metres; less is a meter switched on by mistake
)

// Ride is a recorded ride.
type Ride struct {
	Origin, Dest geo.Point
	Start        time.Duration // after the first ride of the recording
	Seats        int           // a driver offers them, a rider takes them; 1 to 4
	Driver       bool
}

// Recording is what a file of recorded rides holds, earliest start first.
type Recording struct {
	Rides   []Ride
	Skipped int // rows without places, or of rides shorter than 100 m
}

// First returns the recording of the first n rides; all of them when there are fewer.
func (r Recording) First(n int) Recording {
	r.Rides = r.Rides[:min(max(n, 0), len(r.Rides))]
	return r
}

// format is a kind of recording.
type format struct {
	columns []string // it is known by these, and their cells are read in this order
	read    func(*row) Ride
	drivers bool // the recording says who drives
}

// formats that ReadRides knows: New York green taxis, and the ride-sharing
// instances of Najmi, Rey and Rashidi (Transportation Research E 108, 2017).
var formats = []format{
	{
		columns: []string{"lpep_pickup_datetime", "Pickup_latitude", "Pickup_longitude",
			"Dropoff_latitude", "Dropoff_longitude", "Passenger_count"},
		read: func(r *row) Ride {
			return Ride{Start: r.time(0), Origin: r.point(1), Dest: r.point(3), Seats: r.seats(5)}
		},
	},
	{
		columns: []string{"Earliesttime", "Origin_Latitude", "Origin_Longitude",
			"Destination_Latitude", "Destination_Longitude", "Announcement"},
		read: func(r *row) Ride {
			start := time.Duration(r.number(0) * float64(time.Minute))
			ride := Ride{Start: start, Origin: r.point(1), Dest: r.point(3), Seats: 1}
			ride.Driver = r.number(5) < firstRider
			return ride
		},
		drivers: true,
	},
}

// ReadFile reads a recording from a CSV file, as ReadRides does. Its errors are
// one line, "path: line 7: what is wrong".
func ReadFile(path string, share float64) (Recording, error) {
	f, err := os.Open(path)
	if err != nil {
		return Recording{}, fmt.Errorf("%s: %w", path, unreadable(err))
	}
	defer f.Close()
	rec, err := ReadRides(f, share)
	if err != nil {
		return Recording{}, fmt.Errorf("%s: %w", path, err)
	}
	return rec, nil
}

// ReadRides reads a recording in one of the known formats, which it tells by
// the header. Where the recording does not say who drives, every so many-th
// ride is made a driver's, so that they are the given share of all. Blank rows,
// rows without coordinates and rides of less than 100 m are skipped; anything
// else that cannot be read is an error that names the line.
func ReadRides(r io.Reader, share float64) (Recording, error) {
	in := csv.NewReader(r)
	in.FieldsPerRecord, in.ReuseRecord = -1, true
	header, err := in.Read()
	if err == io.EOF {
		return Recording{}, errors.New("the file is empty")
	}
	if err != nil {
		return Recording{}, unreadable(err)
	}
	f, cells, err := detect(header)
	if err != nil {
		return Recording{}, fmt.Errorf("line 1: %w", err)
	}
	rec, err := readRows(in, f, cells)
	if err != nil {
		return Recording{}, err
	}
	if len(rec.Rides) == 0 {
		return Recording{}, fmt.Errorf("none of the %d rows is a usable ride", rec.Skipped)
	}
	settle(rec.Rides)
	if !f.drivers {
		markDrivers(rec.Rides, share)
	}
	return rec, nil
}

func readRows(in *csv.Reader, f format, cells []int) (rec Recording, err error) {
	for {
		record, err := in.Read()
		if err == io.EOF {
			return rec, nil
		}
		if err != nil {
			return rec, unreadable(err)
		}
		line, _ := in.FieldPos(0)
		if blank(record) {
			continue
		}
		row := &row{record: record, cells: cells, columns: f.columns}
		ride := f.read(row)
		if row.err != nil {
			return rec, fmt.Errorf("line %d: %w", line, row.err)
		}
		if row.nowhere || geo.Distance(ride.Origin, ride.Dest) < shortestRide {
			rec.Skipped++
			continue
		}
		rec.Rides = append(rec.Rides, ride)
	}
}

// detect finds the format that a header belongs to and where its columns are.
func detect(header []string) (format, []int, error) {
	at := make(map[string]int, len(header))
	for i, name := range header {
		at[strings.TrimSpace(strings.TrimPrefix(name, "\ufeff"))] = i
	}
	for _, f := range formats {
		var cells []int
		for _, name := range f.columns {
			if i, ok := at[name]; ok {
				cells = append(cells, i)
			}
		}
		if len(cells) == len(f.columns) {
			return f, cells, nil
		}
	}
	return format{}, nil, errors.New("not a header of a known recording (New York green taxis, Melbourne ride-sharing)")
}

// settle sorts rides by start and lets the first one start at 0.
func settle(rides []Ride) {
	slices.SortStableFunc(rides, func(a, b Ride) int { return cmp.Compare(a.Start, b.Start) })
	first := rides[0].Start
	for i := range rides {
		rides[i].Start -= first
		if rides[i].Driver {
			rides[i].Seats = carSeats
		}
	}
}

// markDrivers spreads a share of drivers evenly over the rides.
func markDrivers(rides []Ride, share float64) {
	for i := range rides {
		if math.Floor(float64(i+1)*share) > math.Floor(float64(i)*share) {
			rides[i].Driver, rides[i].Seats = true, carSeats
		}
	}
}

// row reads the cells of one record and keeps the first error.
type row struct {
	record  []string
	cells   []int
	columns []string
	nowhere bool // a coordinate is missing
	err     error
}

// cell returns the i-th wanted cell, without the blanks around it.
func (r *row) cell(i int) string {
	if r.cells[i] >= len(r.record) {
		r.fail(i, "is missing: the row is cut off")
		return ""
	}
	return strings.TrimSpace(r.record[r.cells[i]])
}

func (r *row) fail(i int, format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%s %s", r.columns[i], fmt.Sprintf(format, args...))
	}
}

// number reads a number; an empty cell is 0.
func (r *row) number(i int) float64 {
	text := r.cell(i)
	if text == "" {
		return 0
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(n) || math.Abs(n) > 1e9 {
		r.fail(i, "is not a number: %.40q", text)
		return 0
	}
	return n
}

// time reads a date and time as the duration since the year 2000.
func (r *row) time(i int) time.Duration {
	text := r.cell(i)
	t, err := time.Parse(time.DateTime, text)
	if err != nil {
		r.fail(i, "is not a time: %.40q", text)
		return 0
	}
	return t.Sub(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC))
}

// point reads latitude and longitude from the i-th and the next cell.
func (r *row) point(i int) geo.Point {
	p := geo.Point{Lat: r.number(i), Lng: r.number(i + 1)}
	if p.Lat == 0 || p.Lng == 0 {
		r.nowhere = true
	} else if !p.Valid() {
		r.fail(i, "and %s are off the globe: %g, %g", r.columns[i+1], p.Lat, p.Lng)
	}
	return p
}

// seats reads a party's size, made to fit a car: recorded taxis carry up to six, or say 0.
func (r *row) seats(i int) int { return int(min(max(r.number(i), 1), carSeats)) }

func blank(record []string) bool {
	return !slices.ContainsFunc(record, func(s string) bool { return strings.TrimSpace(s) != "" })
}

// unreadable shortens an error of the reader to the line and what is wrong.
func unreadable(err error) error {
	if p, ok := errors.AsType[*csv.ParseError](err); ok {
		return fmt.Errorf("line %d: %w", p.Line, p.Err)
	}
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}
