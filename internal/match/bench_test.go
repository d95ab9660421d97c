package match

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/db/dbtest"
	"github.com/spotpool/spotpool/internal/geo"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
	"github.com/spotpool/spotpool/internal/trip"
)

// BenchmarkSearch searches boards of trips across a synthetic city of 60 by 60
// kilometres that leave within an hour, or a week; about half of the trips carry riders
// already. It reports the median and the 99th percentile beside the mean.
func BenchmarkSearch(b *testing.B) {
	const hour, week = time.Hour, 7 * 24 * time.Hour
	for _, size := range []struct {
		trips int
		over  time.Duration
	}{{1000, hour}, {5000, hour}, {50_000, hour}, {100_000, hour}, {100_000, week}} {
		b.Run(fmt.Sprintf("trips=%d/hours=%.0f", size.trips, size.over.Hours()), func(b *testing.B) {
			c := newCity()
			c.over = size.over
			board := c.board(size.trips)
			requests := make([]Request, 4096)
			for i := range requests {
				requests[i] = c.request()
			}
			found := 0
			var took []time.Duration
			b.ReportAllocs()
			for b.Loop() {
				began := time.Now()
				if _, ok := board.Search(requests[len(took)%len(requests)]); ok {
					found++
				}
				took = append(took, time.Since(began))
			}
			slices.Sort(took)
			for name, share := range map[string]float64{"p50-ns/op": 0.5, "p99-ns/op": 0.99} {
				b.ReportMetric(float64(took[int(share*float64(len(took)-1))]), name)
			}
			b.ReportMetric(float64(found)/float64(len(took)), "found/op")
		})
	}
}

// BenchmarkStart starts a board on a database with 100,000 open trips, half of them
// with a rider: SQLite, or the server in SPOTPOOL_TEST_MYSQL.
func BenchmarkStart(b *testing.B) {
	d := dbtest.Open(b)
	trips := trip.NewService(d, &jobstest.Recorder{}, clock.NewFake(noon), trip.Config{Travel: geo.DefaultTravel})
	c := newCity()
	const all, chunk = 100_000, 1000
	for range all / chunk {
		if err := d.Tx(b.Context(), func(tx *db.Tx) error { return c.offer(tx, trips, chunk) }); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		board := NewBoard(trips, geo.DefaultTravel, clock.NewFake(noon), slog.New(slog.DiscardHandler))
		if err := board.Refresh(b.Context()); err != nil {
			b.Fatal(err)
		}
		if board.Len() != all {
			b.Fatalf("%d trips on the board", board.Len())
		}
	}
}

// offer stores n trips and has every second take a rider all the way.
func (c *city) offer(tx *db.Tx, trips *trip.Service, n int) error {
	for i := range n {
		made := c.trip()
		t, err := trips.Offer(tx, trip.Offer{
			DriverID: made.DriverID, Seats: made.Seats, Origin: made.Origin, Dest: made.Dest,
			DepartAt: made.DepartAt, MaxDetour: &made.MaxDetour,
		})
		if err != nil {
			return err
		}
		if i%2 == 0 {
			continue
		}
		order := uuid.New()
		t.Plan = trip.Plan{
			{OrderID: order, Kind: trip.Pickup, Place: t.Origin, Seats: 1, Earliest: t.DepartAt},
			{OrderID: order, Kind: trip.Dropoff, Place: *t.Dest, Seats: 1, Latest: t.ArriveAt.Add(time.Hour)},
		}
		if err := trips.Assign(tx, t.Reschedule(geo.DefaultTravel), t.Version); err != nil {
			return err
		}
	}
	return nil
}

// BenchmarkBoard fills a board with 100,000 trips and reports what it keeps in memory.
func BenchmarkBoard(b *testing.B) {
	c := newCity()
	trips := make([]trip.Trip, 100_000)
	for i := range trips {
		trips[i] = c.trip()
	}
	for b.Loop() {
		before := heap()
		board := NewBoard(nil, geo.DefaultTravel, clock.NewFake(noon), slog.New(slog.DiscardHandler))
		for _, t := range trips {
			board.Put(t)
		}
		b.ReportMetric(float64(heap()-before)/1e6, "MB")
		runtime.KeepAlive(board)
	}
}

// heap returns the bytes in use.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkPut brings a trip with riders up to date.
func BenchmarkPut(b *testing.B) {
	c := newCity()
	board := c.board(1000)
	var t trip.Trip
	for _, o := range board.offered {
		if len(o.trip.Plan) > len(t.Plan) {
			t = o.trip
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		t.Version++
		board.Put(t)
	}
}

// city makes up trips and orders between hot spots and anywhere else.
type city struct {
	rand  *rand.Rand
	spots []geo.Point
	over  time.Duration // from noon on trips leave
}

func newCity() *city {
	c := &city{rand: rand.New(rand.NewPCG(1, 2)), over: time.Hour}
	for range 12 {
		c.spots = append(c.spots, c.anywhere())
	}
	return c
}

func (c *city) anywhere() geo.Point {
	return geo.Point{Lat: 31.0 + 0.54*c.rand.Float64(), Lng: 121.2 + 0.63*c.rand.Float64()}
}

func (c *city) place() trip.Place {
	p := c.anywhere()
	if c.rand.Float64() < 0.6 {
		p = c.spots[c.rand.IntN(len(c.spots))]
		p.Lat += 0.01 * c.rand.NormFloat64()
		p.Lng += 0.01 * c.rand.NormFloat64()
	}
	return trip.Place{Point: p}
}

func (c *city) request() Request {
	r := Request{OrderID: uuid.New(), Origin: c.place(), Dest: c.place(), Seats: 1 + c.rand.IntN(2)}
	r.Earliest = noon.Add(time.Duration(c.rand.IntN(int(c.over.Minutes())*3/4)) * time.Minute)
	r.Latest = r.Earliest.Add(geo.Between(geo.DefaultTravel, r.Origin.Point, r.Dest.Point).Duration*3/2 + 15*time.Minute)
	return r
}

func (c *city) trip() trip.Trip {
	return trip.Trip{
		ID: uuid.New(), Status: trip.Open, Seats: 4, Origin: c.place(), Dest: new(c.place()), Version: 1,
		DepartAt: noon.Add(time.Duration(1+c.rand.IntN(int(c.over.Minutes()))) * time.Minute), MaxDetour: trip.DefaultDetour,
	}.Reschedule(geo.DefaultTravel)
}

// board returns a board with n trips, on which half as many orders were tried.
func (c *city) board(n int) *Board {
	board := NewBoard(nil, geo.DefaultTravel, clock.NewFake(noon), slog.New(slog.DiscardHandler))
	for range n {
		board.Put(c.trip())
	}
	for range n / 2 {
		if offer, ok := board.Search(c.request()); ok {
			offer.Trip.Version++
			board.Put(offer.Trip)
		}
	}
	return board
}

// BenchmarkPlan decides a hundred orders that have gathered, on boards of several sizes.
func BenchmarkPlan(b *testing.B) {
	for _, n := range []int{1000, 5000, 50_000} {
		c := newCity()
		board := c.board(n)
		var waiting []Request
		for range 100 {
			waiting = append(waiting, c.request())
		}
		moves := func(uuid.UUID) bool { return false }
		for _, policy := range []string{Windowed, Best} {
			b.Run(fmt.Sprintf("%s/%d", policy, n), func(b *testing.B) {
				s := NewService(Deps{Board: board, Live: Live{Policy: policy, Window: 5 * time.Second, Budget: 100 * time.Millisecond}})
				for b.Loop() {
					if len(s.plan(b.Context(), waiting, moves, noon)) == 0 {
						b.Fatal("nothing was decided")
					}
				}
			})
		}
	}
}
