package geo

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestValid(t *testing.T) {
	for p, want := range map[Point]bool{
		{}: true, {Lat: 90, Lng: 180}: true, {Lat: -90, Lng: -180}: true, {Lat: 31.23, Lng: 121.47}: true,
		{Lat: 90.0001}: false, {Lat: -90.0001}: false, {Lng: 180.0001}: false, {Lng: -180.0001}: false,
		{Lat: math.Inf(1)}: false, {Lng: math.Inf(-1)}: false,
	} {
		if p.Valid() != want {
			t.Errorf("%v: valid is %v", p, !want)
		}
	}
	if (Point{Lat: math.NaN()}).Valid() || (Point{Lng: math.NaN()}).Valid() {
		t.Error("not a number lies on the globe")
	}
}

// The distances follow from the mean radius: a quarter of a great circle is
// R·π/2; the cities' are published great-circle distances, to half a percent.
func TestDistance(t *testing.T) {
	quarter := EarthRadius * math.Pi / 2
	for name, c := range map[string]struct {
		p, q   Point
		metres float64
		within float64
	}{
		"nowhere":               {Point{31.23, 121.47}, Point{31.23, 121.47}, 0, 0},
		"a degree of latitude":  {Point{0, 0}, Point{1, 0}, quarter / 90, 0.01},
		"a degree at 60° north": {Point{60, 10}, Point{60, 11}, quarter / 180, 3}, // the parallel is a little longer
		"pole to equator":       {Point{90, 0}, Point{0, 77}, quarter, 0.01},
		"antipodes":             {Point{0, -90}, Point{0, 90}, 2 * quarter, 0.01},
		"across the date line":  {Point{0, 179.5}, Point{0, -179.5}, quarter / 90, 0.01},
		"Shanghai to Beijing":   {Point{31.2304, 121.4737}, Point{39.9042, 116.4074}, 1_067_000, 5_000},
		"London to New York":    {Point{51.5074, -0.1278}, Point{40.7128, -74.0060}, 5_570_000, 25_000},
	} {
		for _, d := range []float64{Distance(c.p, c.q), Distance(c.q, c.p)} {
			if math.Abs(d-c.metres) > c.within {
				t.Errorf("%s: %.3f m, want %.3f", name, d, c.metres)
			}
		}
	}
}

func TestStraight(t *testing.T) {
	here := Point{31.23, 121.47}
	north := func(metres float64) Point {
		return Point{here.Lat + metres/EarthRadius*180/math.Pi, here.Lng}
	}
	travel := Straight{Circuity: 1.5, Speed: 10}
	for metres, seconds := range map[float64]time.Duration{0: 0, 0.1: 1, 6: 1, 59: 9, 61: 10} {
		leg := Between(travel, here, north(metres))
		if leg.Duration != seconds*time.Second {
			t.Errorf("%.1f m straight take %s, want %d s", metres, leg.Duration, seconds)
		}
		if math.Abs(leg.Metres-metres*1.5) > 1e-3 {
			t.Errorf("%.1f m straight are %.3f m of road, want %.3f", metres, leg.Metres, metres*1.5)
		}
	}
}

// The search for a trip relies on this: no leg is longer than the way over a
// third place, and times are whole seconds that suffice for the way.
func TestStraightTravelIsShortest(t *testing.T) {
	point := func(t *rapid.T, name string) Point {
		return Point{Lat: rapid.Float64Range(-90, 90).Draw(t, name+" lat"), Lng: rapid.Float64Range(-180, 180).Draw(t, name+" lng")}
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := point(t, "a"), point(t, "b"), point(t, "c")
		direct, first, second := Between(DefaultTravel, a, c), Between(DefaultTravel, a, b), Between(DefaultTravel, b, c)
		if over := first.Metres + second.Metres; direct.Metres > over+1 { // a metre for rounding
			t.Fatalf("direct %.3f m, over b %.3f m", direct.Metres, over)
		}
		if direct.Duration > first.Duration+second.Duration {
			t.Fatalf("direct %s, over b %s", direct.Duration, first.Duration+second.Duration)
		}
		if direct.Duration%time.Second != 0 || direct.Duration.Seconds()*DefaultTravel.Speed < direct.Metres {
			t.Fatalf("%s for %.3f m", direct.Duration, direct.Metres)
		}
	})
}
