package osrm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/spotpool/spotpool/internal/geo"
)

// largest answer that is read, in bytes.
const largest = 16 << 20

// table is the answer of the service; null stands where there is no way.
type table struct {
	Code      string       `json:"code"`
	Message   string       `json:"message"`
	Durations [][]*float64 `json:"durations"` // seconds
	Distances [][]*float64 `json:"distances"` // metres
}

// RefusedError is the server's answer that it cannot make the table, such as NoTable
// or NoSegment: the server works, the question does not.
type RefusedError struct{ Code, Message string }

func (e *RefusedError) Error() string { return "OSRM says " + e.Code + ": " + e.Message }

// answered reports whether the server is well, though it may have refused.
func answered(err error) bool {
	var refused *RefusedError
	return err == nil || errors.As(err, &refused)
}

// query is the part of the address that names the points of a table.
func query(from, to []cell) string {
	place := make(map[cell]int, len(from)+len(to))
	var points []byte
	list := func(cells []cell) (places []byte) {
		for _, c := range cells {
			i, ok := place[c]
			if !ok {
				i = len(place)
				place[c] = i
				if i > 0 {
					points = append(points, ';')
				}
				points = c.append(points)
			}
			if len(places) > 0 {
				places = append(places, ';')
			}
			places = strconv.AppendInt(places, int64(i), 10)
		}
		return places
	}
	sources, targets := list(from), list(to)
	return fmt.Sprintf("%s?sources=%s&destinations=%s&annotations=duration,distance", points, sources, targets)
}

// ask sends one request.
func (t *Travel) ask(ctx context.Context, address string, rows, columns int) (*table, error) {
	t.requests.Add(1)
	answer, err := t.get(ctx, address)
	if err == nil {
		err = answer.check(rows, columns)
	}
	if err != nil {
		t.failures.Add(1)
		return nil, err
	}
	return answer, nil
}

func (t *Travel) get(ctx context.Context, address string) (*table, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	resp, err := t.options.Client.Do(req)
	if err != nil {
		var sent *url.Error // whose text is mostly the address, with everybody's place in it
		if errors.As(err, &sent) {
			err = sent.Err
		}
		return nil, fmt.Errorf("asking OSRM: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusBadRequest {
		return nil, fmt.Errorf("OSRM answers %s", resp.Status)
	}
	var answer table
	if err := json.NewDecoder(io.LimitReader(resp.Body, largest)).Decode(&answer); err != nil {
		return nil, fmt.Errorf("OSRM's answer: %w", err)
	}
	return &answer, nil
}

// check reports what is wrong with an answer.
func (t *table) check(rows, columns int) error {
	if t.Code != "Ok" {
		if t.Code == "" {
			return errors.New("OSRM's answer has no code")
		}
		return &RefusedError{t.Code, t.Message}
	}
	for name, values := range map[string][][]*float64{"durations": t.Durations, "distances": t.Distances} {
		if len(values) != rows {
			return fmt.Errorf("OSRM's answer has %d rows of %s, want %d", len(values), name, rows)
		}
		for _, row := range values {
			if len(row) != columns {
				return fmt.Errorf("OSRM's answer has %d columns of %s, want %d", len(row), name, columns)
			}
			for _, v := range row {
				if v != nil && !(*v >= 0 && *v < 1e7) {
					return fmt.Errorf("OSRM's answer has %v among the %s", *v, name)
				}
			}
		}
	}
	return nil
}

// leg returns the leg of a row and a column: its duration in whole milliseconds.
func (t *table) leg(row, column int) geo.Leg {
	seconds, metres := t.Durations[row][column], t.Distances[row][column]
	if seconds == nil || metres == nil {
		return geo.Unreachable
	}
	return geo.Leg{Metres: *metres, Duration: time.Duration(math.Round(*seconds*1000)) * time.Millisecond}
}
