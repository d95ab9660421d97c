package roads

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spotpool/spotpool/internal/geo"
)

// lines reads a text file of fields; its errors name the file and the line.
type lines struct {
	name string
	scan *bufio.Scanner
	line int
}

func newLines(name string, in io.Reader) *lines {
	return &lines{name: name, scan: bufio.NewScanner(in)}
}

// readFile hands the lines of a file to read.
func readFile(name string, read func(*lines) error) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return read(newLines(name, f))
}

// next returns the fields of the next line that is not empty, which must be so many;
// io.EOF at the end.
func (in *lines) next(want int) ([]string, error) {
	for in.scan.Scan() {
		in.line++
		fields := strings.Fields(in.scan.Text())
		if len(fields) == want {
			return fields, nil
		} else if len(fields) > 0 {
			return nil, in.fault("%d fields, want %d", len(fields), want)
		}
	}
	if err := in.scan.Err(); err != nil {
		return nil, fmt.Errorf("%s:%d: %w", in.name, in.line+1, err)
	}
	return nil, io.EOF
}

// whole is next where all fields are numbers of 0 or more.
func (in *lines) whole(want int) ([]int, error) {
	fields, err := in.next(want)
	if err != nil {
		return nil, err
	}
	numbers := make([]int, want)
	for i, f := range fields {
		if numbers[i], err = in.number(f); err != nil {
			return nil, err
		}
	}
	return numbers, nil
}

func (in *lines) number(field string) (int, error) {
	n, err := strconv.ParseUint(field, 10, 48)
	if err != nil {
		return 0, in.fault("%q is not a whole number of 0 or more", field)
	}
	return int(n), nil
}

func (in *lines) point(lat, lng string) (geo.Point, error) {
	y, errY := strconv.ParseFloat(lat, 64)
	x, errX := strconv.ParseFloat(lng, 64)
	p := geo.Point{Lat: y, Lng: x}
	if errY != nil || errX != nil || !p.Valid() {
		return p, in.fault("longitude %q, latitude %q is no point on the globe", lng, lat)
	}
	return p, nil
}

// fault says what is wrong with the line read last.
func (in *lines) fault(format string, args ...any) error {
	return fmt.Errorf("%s:%d: %s", in.name, in.line, fmt.Sprintf(format, args...))
}

// unlessEnd returns err, or if that is the end of the file, that it comes too early.
func (in *lines) unlessEnd(err error, format string, args ...any) error {
	if errors.Is(err, io.EOF) {
		return in.fault("the file ends here: "+format, args...)
	}
	return err
}
