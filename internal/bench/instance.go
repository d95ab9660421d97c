// Package bench runs the matching engine on recorded and made-up instances, on a
// virtual clock, and reports what it served, what was driven and how long it took.
package bench

import (
	"bufio"
	"cmp"
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
	"github.com/spotpool/spotpool/internal/match"
)

// Vehicle is one that takes orders once it is known. Times count from the
// beginning of the instance.
type Vehicle struct {
	ID       int
	At       geo.Spot
	Seats    int
	Known    time.Duration
	Start    time.Duration // it does not leave before
	Leave    time.Duration // for Dest, if nothing else is decided before
	MaxStops int           // at a time; 0: any number
	Dest     *geo.Spot     // nil: it stays where it has nothing to do
	End      time.Duration // latest arrival at Dest, or else at its last stop; or match.NoLimit
}

// Order is a rider's wish. Times count from the beginning of the instance.
type Order struct {
	ID          int
	From, To    geo.Spot
	Seats       int
	Known       time.Duration // it cannot be assigned before
	Until       time.Duration // it is lost if it has no vehicle by then
	Early, Late time.Duration // pickup not before, dropoff not after
}

// Instance is vehicles and orders.
type Instance struct {
	Name     string
	Vehicles []Vehicle
	Orders   []Order // by when they are known
}

// First returns the instance with its first n vehicles; all of them when there are fewer.
func (in Instance) First(n int) Instance {
	in.Vehicles = in.Vehicles[:min(max(n, 0), len(in.Vehicles))]
	return in
}

// Limits of what a file may ask for; more is taken for a mistake.
const (
	maxRows    = 5_000_000
	maxSeats   = 1000
	maxSeconds = 1e8 // three years
)

// Nodes is what an instance needs to know of the roads that it lies on.
type Nodes interface {
	Nodes() int
	Node(i int) geo.Spot
	Leg(from, to geo.Spot) geo.Leg
}

// ReadInstance reads an instance of the Cargo ridesharing benchmark (Pan, Li, Hu,
// PVLDB 12(10), 2019) that lies on the given nodes. Its errors are one line,
// "path: line 7: what is wrong".
func ReadInstance(path string, on Nodes) (Instance, error) {
	f, err := os.Open(path)
	if err != nil {
		return Instance{}, fmt.Errorf("%s: %w", path, pathless(err))
	}
	defer f.Close()
	in, err := parseInstance(f, on)
	if err != nil {
		return Instance{}, fmt.Errorf("%s: %w", path, pathless(err))
	}
	return in, nil
}

// pathless returns a file system's error without the path, which the caller names.
func pathless(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}

// parseInstance reads three lines of head with the counts, a header, and a row
// for each vehicle and customer: ID ORIGIN DEST Q EARLY LATE.
func parseInstance(r io.Reader, on Nodes) (Instance, error) {
	p := &parser{lines: bufio.NewScanner(r), on: on, seen: map[int]bool{}}
	err := p.head()
	for err == nil && p.next() {
		if p.text != "" {
			err = p.row()
		}
	}
	switch {
	case err == nil && p.lines.Err() != nil:
		p.line++
		err = p.lines.Err()
	case err == nil:
		err = p.complete()
	}
	if err != nil {
		return Instance{}, fmt.Errorf("line %d: %w", max(p.line, 1), err)
	}
	slices.SortStableFunc(p.in.Orders, func(a, b Order) int { return cmp.Compare(a.Known, b.Known) })
	return p.in, nil
}

// parser reads one instance.
type parser struct {
	lines               *bufio.Scanner
	line                int
	text                string
	on                  Nodes
	vehicles, customers int // announced by the head
	seen                map[int]bool
	in                  Instance
}

func (p *parser) next() bool {
	if !p.lines.Scan() {
		return false
	}
	p.line++
	p.text = strings.TrimSpace(p.lines.Text())
	return true
}

func (p *parser) head() (err error) {
	for line := 1; line <= 6 && err == nil; line++ {
		if !p.next() {
			return errors.New("the file ends within its head")
		}
		switch line {
		case 1:
			p.in.Name = p.text
		case 3:
			p.vehicles, err = p.count("VEHICLES")
		case 4:
			p.customers, err = p.count("CUSTOMERS")
		case 6:
			if got := strings.Join(strings.Fields(p.text), " "); got != "ID ORIGIN DEST Q EARLY LATE" {
				err = fmt.Errorf("want the header ID ORIGIN DEST Q EARLY LATE, have %.60q", got)
			}
		}
	}
	return err
}

func (p *parser) count(name string) (int, error) {
	fields := strings.Fields(p.text)
	if len(fields) != 2 || fields[0] != name {
		return 0, fmt.Errorf("want %s and how many, have %.60q", name, p.text)
	}
	return whole(name, fields[1], 1, maxRows)
}

func (p *parser) row() error {
	fields := strings.Fields(p.text)
	if len(fields) != 6 {
		return fmt.Errorf("want 6 columns, have %d", len(fields))
	}
	id, e1 := whole("ID", fields[0], 0, math.MaxInt32)
	from, e2 := p.node("ORIGIN", fields[1])
	q, e3 := whole("Q", fields[3], -maxSeats, maxSeats)
	early, e4 := seconds("EARLY", fields[4], 0)
	late, e5 := seconds("LATE", fields[5], -1)
	if err := cmp.Or(e1, e2, e3, e4, e5); err != nil {
		return err
	}
	switch {
	case p.seen[id]:
		return fmt.Errorf("ID %d stands here a second time", id)
	case q == 0:
		return errors.New("a Q of 0 is neither a vehicle's seats (below 0) nor a customer's (above)")
	case late < early && (q > 0 || late != -time.Second):
		return fmt.Errorf("LATE %s lies before EARLY %s", fields[5], fields[4])
	}
	p.seen[id] = true
	if q < 0 {
		return p.vehicle(Vehicle{ID: id, At: from, Seats: -q, Known: early, Start: early, End: match.NoLimit}, fields[2], late)
	}
	to, err := p.node("DEST", fields[2])
	if err != nil {
		return err
	}
	if p.on.Leg(from, to).Duration >= geo.Unreachable.Duration {
		return fmt.Errorf("no road leads from node %s to node %s", fields[1], fields[2])
	}
	p.in.Orders = append(p.in.Orders, Order{
		ID: id, From: from, To: to, Seats: q, Known: early, Until: early + decideWithin, Early: early, Late: late,
	})
	return nil
}

func (p *parser) vehicle(v Vehicle, dest string, late time.Duration) error {
	if dest != "-1" {
		to, err := p.node("DEST", dest)
		if err != nil {
			return err
		}
		v.Dest = &to
	}
	if late >= 0 {
		v.End = late
	}
	p.in.Vehicles = append(p.in.Vehicles, v)
	return nil
}

// complete reports rows that the head announced and that are not there.
func (p *parser) complete() error {
	if v, c := len(p.in.Vehicles), len(p.in.Orders); v != p.vehicles || c != p.customers {
		return fmt.Errorf("the file ends with %d of %d vehicles and %d of %d customers", v, p.vehicles, c, p.customers)
	}
	return nil
}

func (p *parser) node(column, text string) (geo.Spot, error) {
	n, err := whole(column, text, 0, p.on.Nodes()-1)
	if err != nil {
		return geo.Spot{}, err
	}
	return p.on.Node(n), nil
}

// whole reads a whole number within bounds.
func whole(column, text string, low, high int) (int, error) {
	n, err := strconv.Atoi(text)
	if errors.Is(err, strconv.ErrSyntax) {
		return 0, fmt.Errorf("%s is not a whole number: %.40q", column, text)
	}
	if err != nil || n < low || n > high {
		return 0, fmt.Errorf("%s is not between %d and %d: %.40s", column, low, high, text)
	}
	return n, nil
}

// seconds reads a time that lies so many seconds after the instance's begin, at least low.
func seconds(column, text string, low float64) (time.Duration, error) {
	s, err := strconv.ParseFloat(text, 64)
	if errors.Is(err, strconv.ErrSyntax) || math.IsNaN(s) {
		return 0, fmt.Errorf("%s is not a number: %.40q", column, text)
	}
	if err != nil || s < low || s > maxSeconds {
		return 0, fmt.Errorf("%s is not between %g and %g: %.40s", column, low, float64(maxSeconds), text)
	}
	return time.Duration(math.Round(s * 1e9)), nil
}
