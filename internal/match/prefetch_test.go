package match

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/geo"
	"github.com/spotpool/spotpool/internal/trip"
)

// server is a travel model that estimates as minutes does, and knows of every leg that
// it takes twice as long once it was fetched.
type server struct {
	minutes
	fetched map[[2]geo.Point]bool
}

func (s server) Prefetch(_ context.Context, from, to []geo.Point) error {
	for _, a := range from {
		for _, b := range to {
			s.fetched[[2]geo.Point{a, b}] = true
		}
	}
	return nil
}

func (s server) Leg(from, to geo.Spot) geo.Leg {
	leg := s.minutes.Leg(from, to)
	if s.fetched[[2]geo.Point{from.Point, to.Point}] {
		leg.Duration *= 2
	}
	return leg
}

// A search asks the server before it decides: what seemed possible by the estimate
// is not, for each leg to and from the rider's places takes twice as long.
func TestASearchFetchesTravelTimesBefore(t *testing.T) {
	travel := server{fetched: map[[2]geo.Point]bool{}}
	b := NewBoard(nil, travel, clock.NewFake(noon), slog.New(slog.DiscardHandler))
	b.Put(trip.Trip{
		ID: uuid.New(), Status: trip.Open, Seats: 4, Origin: mark(0), Dest: new(mark(30)), DepartAt: noon.Add(time.Minute),
		MaxDetour: 10 * time.Minute, Version: 1,
	})
	req := Request{OrderID: uuid.New(), Origin: mark(5), Dest: mark(25), Seats: 1, Latest: noon.Add(40 * time.Minute)}
	if _, ok := b.Search(req); !ok {
		t.Fatal("by the estimate, the trip suits")
	}
	if err := b.prefetch(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	for _, leg := range [][2]float64{{0, 5}, {5, 25}, {25, 30}, {0, 25}, {5, 30}} {
		if !travel.fetched[[2]geo.Point{mark(leg[0]).Point, mark(leg[1]).Point}] {
			t.Errorf("the leg from %.0f to %.0f was not fetched", leg[0], leg[1])
		}
	}
	if _, ok := b.Search(req); ok {
		t.Error("found although the way takes too long")
	}
}
