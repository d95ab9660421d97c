package osrm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sony/gobreaker/v2"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/spotpool/spotpool/internal/geo"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is the table service over a town of straight streets: along the parallel and
// then along the meridian, at 10 m/s. Points south of the equator lie on an island.
type server struct {
	*httptest.Server
	requests atomic.Int64
	most     atomic.Int64 // coordinates in one request
	// fault, if there is one, answers instead.
	fault atomic.Pointer[http.HandlerFunc]
}

func newServer(t *testing.T) *server {
	s := &server{}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *server) fail(how http.HandlerFunc) { s.fault.Store(&how) }

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.requests.Add(1)
	if fault := s.fault.Load(); fault != nil {
		(*fault)(w, r)
		return
	}
	list, ok := strings.CutPrefix(r.URL.Path, "/table/v1/driving/")
	if !ok || parameter(r, "annotations") != "duration,distance" {
		http.NotFound(w, r)
		return
	}
	var points []geo.Point
	for item := range strings.SplitSeq(list, ";") {
		var p geo.Point
		if _, err := fmt.Sscanf(item, "%f,%f", &p.Lng, &p.Lat); err != nil {
			http.Error(w, `{"code":"InvalidUrl"}`, http.StatusBadRequest)
			return
		}
		points = append(points, p)
	}
	s.most.Store(max(s.most.Load(), int64(len(points))))
	var durations, distances [][]*float64
	for _, from := range places(r, "sources") {
		var seconds, metres []*float64
		for _, to := range places(r, "destinations") {
			m, ok := drive(points[from], points[to])
			if !ok {
				seconds, metres = append(seconds, nil), append(metres, nil)
				continue
			}
			t := math.Round(m) / 10
			seconds, metres = append(seconds, &t), append(metres, &m)
		}
		durations, distances = append(durations, seconds), append(distances, metres)
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"code": "Ok", "durations": durations, "distances": distances})
}

// parameter reads the query as OSRM does: net/url takes no semicolons.
func parameter(r *http.Request, name string) string {
	for item := range strings.SplitSeq(r.URL.RawQuery, "&") {
		if value, ok := strings.CutPrefix(item, name+"="); ok {
			return value
		}
	}
	return ""
}

func places(r *http.Request, name string) (all []int) {
	for item := range strings.SplitSeq(parameter(r, name), ";") {
		i, _ := strconv.Atoi(item)
		all = append(all, i)
	}
	return all
}

func drive(from, to geo.Point) (metres float64, ok bool) {
	corner := geo.Point{Lat: from.Lat, Lng: to.Lng}
	return geo.Distance(from, corner) + geo.Distance(corner, to), (from.Lat < 0) == (to.Lat < 0)
}

func newTravel(t *testing.T, o Options) *Travel {
	t.Helper()
	o.Client = &http.Client{Transport: &http.Transport{}}
	t.Cleanup(o.Client.CloseIdleConnections)
	travel, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return travel
}

// town returns points 0.01° apart along a line.
func town(n int) (points []geo.Point) {
	for i := range n {
		points = append(points, geo.Point{Lat: 10 + float64(i%7)*0.01, Lng: 20 + float64(i)*0.01})
	}
	return points
}

func TestPrefetch(t *testing.T) {
	s := newServer(t)
	travel := newTravel(t, Options{URL: s.URL, TableSize: 10})
	from, to := town(13), town(31)
	if err := travel.Prefetch(t.Context(), from, to); err != nil {
		t.Fatal(err)
	}
	for _, a := range from {
		for _, b := range to {
			m, _ := drive(a, b)
			want := time.Duration(math.Round(m)) * 100 * time.Millisecond
			if leg := geo.Between(travel, a, b); math.Abs(leg.Metres-m) > 1e-6 || leg.Duration != want {
				t.Fatalf("%v to %v: %v, want %.1f m and %v", a, b, leg, m, want)
			}
		}
	}
	stats := travel.Stats()
	if stats.Hits != 13*31 || stats.Fallbacks != 0 || stats.Fetched != 13*31 || stats.Errors != 0 {
		t.Errorf("%+v", stats)
	}
	if s.most.Load() > 10 {
		t.Errorf("%d coordinates in one request, want 10 at most", s.most.Load())
	}
	if err := travel.Prefetch(t.Context(), from, to); err != nil || travel.Stats().Requests != stats.Requests {
		t.Errorf("asked again for what it knows: %v, %+v", err, travel.Stats())
	}
}

// What was not fetched, or has been forgotten, the fall-back answers.
func TestFallback(t *testing.T) {
	s := newServer(t)
	travel := newTravel(t, Options{URL: s.URL, Cached: 4})
	points := town(3)
	a, b := travel.Locate(points[0]), travel.Locate(points[1])
	if leg := travel.Leg(a, b); leg != geo.DefaultTravel.Leg(a, b) {
		t.Errorf("%v, want the fall-back's", leg)
	}
	if err := travel.Prefetch(t.Context(), points, points); err != nil {
		t.Fatal(err)
	}
	if travel.legs.Len() != 4 {
		t.Errorf("%d legs kept, want 4", travel.legs.Len())
	}
	if leg := travel.Leg(a, b); leg != geo.DefaultTravel.Leg(a, b) {
		t.Errorf("%v, want the fall-back's again", leg)
	}
	if stats := travel.Stats(); stats.Fallbacks != 2 || stats.Hits != 0 {
		t.Errorf("%+v, want two fall-backs", stats)
	}
}

func TestNoWay(t *testing.T) {
	s := newServer(t)
	travel := newTravel(t, Options{URL: s.URL})
	mainland, island := geo.Point{Lat: 1}, geo.Point{Lat: -1}
	if err := travel.Prefetch(t.Context(), []geo.Point{mainland}, []geo.Point{island, mainland}); err != nil {
		t.Fatal(err)
	}
	if leg := geo.Between(travel, mainland, island); leg != geo.Unreachable {
		t.Errorf("%v, want none", leg)
	}
	if leg := geo.Between(travel, mainland, mainland); leg != (geo.Leg{}) {
		t.Errorf("%v, want nothing", leg)
	}
}

// The server may lay two points on one road and answer 0 s: the pace must hold all
// the same.
func TestPaceHolds(t *testing.T) {
	s := newServer(t)
	s.fail(answer(http.StatusOK, `{"code":"Ok","durations":[[0]],"distances":[[0]]}`))
	travel := newTravel(t, Options{URL: s.URL})
	a, b := geo.Point{Lat: 1}, geo.Point{Lat: 1.001}
	if err := travel.Prefetch(t.Context(), []geo.Point{a}, []geo.Point{b}); err != nil {
		t.Fatal(err)
	}
	if pace := geo.Distance(a, b) / geo.Between(travel, a, b).Duration.Seconds(); pace > travel.Pace() {
		t.Errorf("a leg at %v m/s, the pace is %v", pace, travel.Pace())
	}
}

func answer(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func TestFaults(t *testing.T) {
	p := town(1)
	for name, c := range map[string]struct {
		how     http.HandlerFunc
		want    string
		refused bool // the server works, only the question does not
	}{
		"overloaded":       {answer(http.StatusServiceUnavailable, "busy"), "OSRM answers 503 Service Unavailable", false},
		"another service":  {answer(http.StatusNotFound, "{}"), "OSRM answers 404 Not Found", false},
		"no JSON":          {answer(http.StatusOK, "<html>"), "OSRM's answer: invalid character", false},
		"cut off":          {answer(http.StatusOK, `{"code":"Ok","durations":[[`), "OSRM's answer: unexpected EOF", false},
		"no code":          {answer(http.StatusOK, `{}`), "OSRM's answer has no code", false},
		"no distances":     {answer(http.StatusOK, `{"code":"Ok","durations":[[1]]}`), "OSRM's answer has 0 rows of distances, want 1", false},
		"too many columns": {answer(http.StatusOK, `{"code":"Ok","durations":[[1,2]],"distances":[[1]]}`), "OSRM's answer has 2 columns of durations, want 1", false},
		"a negative time":  {answer(http.StatusOK, `{"code":"Ok","durations":[[-1]],"distances":[[1]]}`), "OSRM's answer has -1 among the durations", false},
		"no table":         {answer(http.StatusBadRequest, `{"code":"NoTable","message":"none"}`), "OSRM says NoTable: none", true},
		"a broken line":    {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "asking OSRM: EOF", false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			s.fail(c.how)
			travel := newTravel(t, Options{URL: s.URL, Failures: 2, Pause: time.Hour})
			for range 2 {
				err := travel.Prefetch(t.Context(), p, p)
				if err == nil || !strings.HasPrefix(err.Error(), c.want) || strings.Contains(err.Error(), "20.0") {
					t.Fatalf("error %v, want %q", err, c.want)
				}
			}
			if stats := travel.Stats(); stats.Open == c.refused || stats.Errors != 2 {
				t.Errorf("%+v", stats)
			}
		})
	}
}

// A server that does not answer is given up after Timeout, costs nothing after a few
// tries, and is tried again after the pause.
func TestDeadServer(t *testing.T) {
	s := newServer(t)
	stuck := make(chan struct{})
	s.fail(func(http.ResponseWriter, *http.Request) { <-stuck })
	travel := newTravel(t, Options{URL: s.URL, Timeout: 20 * time.Millisecond, Failures: 2, Pause: 50 * time.Millisecond})
	p := town(1)
	for range 2 {
		if err := travel.Prefetch(t.Context(), p, p); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("error %v, want that of the deadline", err)
		}
	}
	if err := travel.Prefetch(t.Context(), p, p); !errors.Is(err, gobreaker.ErrOpenState) {
		t.Fatalf("error %v, want that the server is left alone", err)
	}
	if n := s.requests.Load(); n != 2 {
		t.Errorf("%d requests, want 2", n)
	}
	close(stuck)
	s.fault.Store(nil)
	for t.Context().Err() == nil && travel.Prefetch(t.Context(), p, p) != nil {
	}
	if stats := travel.Stats(); stats.Open || stats.Fetched != 1 {
		t.Errorf("%+v, want an answer after the pause", stats)
	}
}

// Whoever asks for the same table at the same time shares one request, and nobody has
// to wait for it longer than he wants.
func TestTogether(t *testing.T) {
	s := newServer(t)
	asked, release := make(chan struct{}), make(chan struct{})
	s.fail(func(w http.ResponseWriter, _ *http.Request) {
		asked <- struct{}{}
		<-release
		answer(http.StatusOK, `{"code":"Ok","durations":[[0]],"distances":[[0]]}`)(w, nil)
	})
	travel := newTravel(t, Options{URL: s.URL, Timeout: time.Minute})
	p := town(1)
	var all sync.WaitGroup
	first := func() {
		if err := travel.Prefetch(t.Context(), p, p); err != nil {
			t.Error(err)
		}
	}
	all.Go(first)
	<-asked
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := travel.Prefetch(gone, p, p); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that of the context", err)
	}
	for range 10 {
		all.Go(first)
	}
	close(release)
	all.Wait()
	if n := s.requests.Load(); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

func TestNewRefuses(t *testing.T) {
	for _, o := range []Options{{}, {URL: "localhost:5000"}, {URL: "ftp://x"}, {URL: "http://[::1"}, {URL: "http://x", TableSize: 1}, {URL: "http://x", Cached: -1}} {
		if _, err := New(o); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
}

// Tiles cover a matrix, each place once, and keep the limit.
func TestTiles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows, columns, size := rapid.IntRange(0, 60).Draw(t, "rows"), rapid.IntRange(0, 60).Draw(t, "columns"), rapid.IntRange(2, 40).Draw(t, "size")
		seen := map[[2]int]int{}
		for r, c := range tiles(rows, columns, size) {
			if r.end-r.begin+c.end-c.begin > size {
				t.Fatalf("a table of %v by %v, the limit is %d", r, c, size)
			}
			for i := r.begin; i < r.end; i++ {
				for k := c.begin; k < c.end; k++ {
					seen[[2]int{i, k}]++
				}
			}
		}
		if len(seen) != rows*columns {
			t.Fatalf("%d places, want %d", len(seen), rows*columns)
		}
		for place, n := range seen {
			if n != 1 {
				t.Fatalf("%v stands in %d tables", place, n)
			}
		}
	})
}
